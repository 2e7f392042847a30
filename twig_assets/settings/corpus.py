"""Settings of which works are read and which need not be: the part `corpus` of a `policy.yaml`."""

from pydantic import BaseModel, ConfigDict


class CorpusSettings(BaseModel):
    """Which works are read, and which need not be compared.

    Attributes:
        accept_unread: Files below the folder of works, as reports write their names, that may be left out of the
            comparison although they cannot be read, or not wholly. Each that is not named here holds releases back,
            until a person accepts it.
        follow_links: Whether links are followed that lead out of the folder of works. Those that are not hold releases
            back like files that cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_unread: tuple[str, ...] = ()
    follow_links: bool = False
