"""Settings of the judge: who says whether an image shows a text."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

EMBEDDED = "embedded"
# The checkpoints that draw what the embedded judge knows.
EMBEDDED_MODELS = ("embedded", "embedded-flow")
NOBODY = "none"


class JudgeSettings(BaseModel):
    """Which judge; in YAML its name alone will do.

    Attributes:
        checkpoint: `embedded` knows the concepts of the embedded models; `none` leaves all to people; else a CLIP or
            SigLIP: a folder that `save_pretrained` wrote, or the id of a repository on the model hub.
        revision: Of a repository: a branch, a tag or, what never changes, a commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str = Field(min_length=1)
    revision: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"checkpoint": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _revision_is_of_a_repository(self) -> "JudgeSettings":
        if self.revision and self.checkpoint in (EMBEDDED, NOBODY):
            raise ValueError(f"{self.checkpoint!r} has no revisions; delete revision")
        return self

    @property
    def nobody(self) -> bool:
        """Whether there is no judge."""
        return self.checkpoint == NOBODY

    @property
    def name(self) -> str:
        """The judge as people read it."""
        return f"{self.checkpoint}@{self.revision}" if self.revision else self.checkpoint


def judge_for(checkpoint: str, judge: JudgeSettings | None) -> JudgeSettings:
    """The judge of a checkpoint: the one that is named; the embedded one for the embedded models; else none."""
    return judge or JudgeSettings(checkpoint=EMBEDDED if checkpoint in EMBEDDED_MODELS else NOBODY)
