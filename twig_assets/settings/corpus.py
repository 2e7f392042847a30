"""Settings of which works are read and which need not be: the part `corpus` of a `policy.yaml`."""

from pydantic import BaseModel, ConfigDict, Field

INDEXED_FROM = 256
"""Works of two megapixels each then take 1.5 GB, if all are in memory."""


class CorpusSettings(BaseModel):
    """Which works are read, and which need not be compared.

    Attributes:
        accept_unread: Files below the folder of works, as reports write their names, that may be left out of the
            comparison although they cannot be read, or not wholly. Each that is not named here holds releases back,
            until a person accepts it.
        follow_links: Whether links are followed that lead out of the folder of works. Those that are not hold releases
            back like files that cannot be read.
        indexed_from: From how many works on images are compared by an index of the works, which is kept on disk and
            needs neither the time nor the memory to compare with each; see `twig index`. Fewer are compared with one
            after the other. 0 means always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_unread: tuple[str, ...] = ()
    follow_links: bool = False
    indexed_from: int = Field(INDEXED_FROM, ge=0)
