"""Settings of what makes a comparison complete: the part `corpus` of a `policy.yaml`."""

from pydantic import BaseModel, ConfigDict


class CorpusSettings(BaseModel):
    """Which works need not be compared.

    Attributes:
        accept_unread: Files below the folder of works, as reports write their names, that may be left out of the
            comparison although they cannot be read, or not wholly. Each that is not named here holds releases back,
            until a person accepts it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_unread: tuple[str, ...] = ()
