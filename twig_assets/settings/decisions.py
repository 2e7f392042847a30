"""Settings of people's decisions: the part `decisions` of a campaign's `policy.yaml`."""

from pydantic import BaseModel, ConfigDict, Field


class DecisionSettings(BaseModel):
    """What a person's decision needs to count.

    Attributes:
        approvals: How many different people have to let an image through before it is released. Names are compared
            without regard to case and spaces. One person is enough to reject an image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    approvals: int = Field(1, ge=1, le=10)
