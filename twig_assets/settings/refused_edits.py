"""Settings of what becomes of edits that were refused: the part `edits` of a campaign's `policy.yaml`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EditDecision(BaseModel):
    """What a person decided about one edit that was refused; it holds for this edit and no other.

    Attributes:
        edit: The first 12 digits or more of the SHA-256 of the edit's file, as the refusal names it.
        use: Whether the edit serves all the same; otherwise the campaign goes on without it.
        by: Who decided.
        reason: Why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: str = Field(pattern="^[0-9a-f]{12,64}$")
    use: bool
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class EditSettings(BaseModel):
    """What becomes of a campaign when an edit was refused, or when nobody judged it.

    Attributes:
        refused: `stop` draws nothing until the edit is mended or a person has decided; `leave_out` goes on without it.
        decisions: What people decided, which comes before `refused`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refused: Literal["stop", "leave_out"] = "stop"
    decisions: tuple[EditDecision, ...] = ()

    def decided(self, weights_sha256: str) -> EditDecision | None:
        """What a person decided about an edit; the last of several counts. None where nobody did."""
        of_edit = [decision for decision in self.decisions if weights_sha256.startswith(decision.edit)]
        return of_edit[-1] if of_edit else None
