"""Settings of concept ablation and the concepts it removes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["object", "style", "memorized"]


class ConceptTarget(BaseModel):
    """A concept to remove and what to draw instead.

    Attributes:
        name: A short name for files and tables.
        target: What must no longer be drawn: an object, a style or, for `memorized`, the whole caption.
        anchor: What is drawn in its place: a broader object, a plain style or an ordinary caption.
        kind: `object`, `style` or `memorized`.
        aliases: Other words and spellings that are removed along with the target.
        preserve: Surrounding concepts that must stay as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    target: str = Field(min_length=1)
    anchor: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    preserve: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _target_differs(self) -> "ConceptTarget":
        wanted = {word.strip().lower() for word in (self.target, *self.aliases)}
        if self.anchor.strip().lower() in wanted:
            raise ValueError(f"concept {self.name!r}: the anchor {self.anchor!r} is the target itself; name another")
        for kept in self.preserve:
            if kept.strip().lower() in wanted:
                raise ValueError(f"concept {self.name!r}: {kept!r} is to be removed and preserved; drop one of them")
        return self


class AblationSettings(BaseModel):
    """How a concept is removed.

    Attributes:
        method: `closed_form` solves for all key and value projections at once (Gandikota et al. 2024, UCE).
        erase_scale: Weight of the target's tokens. Larger removes more and harms neighbours more.
        preserve_scale: Weight of the preserved prompts' tokens. Too small, and unrelated memorised pictures suffer.
        ridge: Weight of staying near the original weights, everywhere; it keeps the system
            solvable where no prompt reaches.
        samples: Images per prompt in the evaluation, before and after.
        max_target_share: An edit is accepted if at most this share of the target's images still shows the target
            more than the anchor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["closed_form"] = "closed_form"
    erase_scale: float = Field(1.0, gt=0)
    preserve_scale: float = Field(3.0, ge=0)
    ridge: float = Field(0.003, gt=0)
    samples: int = Field(8, ge=1)
    max_target_share: float = Field(0.5, ge=0, le=1)
