"""How long reports and their small pictures are kept: the part `retention` of a campaign's `policy.yaml`."""

from pydantic import BaseModel, ConfigDict, Field


class RetentionSettings(BaseModel):
    """What is removed after a dated report was written; without these settings, no dated report ever is.

    Attributes:
        dated_days: Dated reports that are older go, with their pages; None keeps all. What the ledger says of them
            stays, and the removal is written down there.
        keep_newest: At least so many of the newest dated reports stay, however old they are: a clock that jumped must
            not empty the folder.
        picture_days: Small pictures that no page shows any more go after so many days; they are made again when they
            are needed. None keeps all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dated_days: int | None = Field(None, ge=1)
    keep_newest: int = Field(12, ge=1)
    picture_days: int | None = Field(30, ge=1)
