"""The figures of an edit, and whether they pass its gate."""

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from twig_assets.ablation.evaluation.statistics import Estimate
from twig_assets.settings.evaluation import Gate


class PromptFigures(BaseModel):
    """Figures of one prompt, on the same seeds before and after the edit.

    Attributes:
        concept: Name of the concept it belongs to; empty for unrelated prompts.
        prompt: What was drawn.
        role: `target`, `anchor`, `surrounding`, `misspelling 1`, `misspelling 2` (edit distance), `paraphrase`,
            `adversarial` or `unrelated`.
        n: Images before, and as many after.
        score_before: CLIP score (Hessel et al. 2021), 2.5 max(cosine, 0), of the images with their own prompt; for all
            that ask for the target, with the target's.
        score_after: The same after the edit.
        score_interval: 95 % bootstrap interval of `score_after`.
        accuracy_before: Share of images that CLIP finds nearer to that text than to its rivals: for the target the
            anchor; for other ways to ask for it the anchor, the surrounding and the unrelated prompts; for all others
            the target. 0 to 1.
        accuracy_after: The same after the edit. Low is good for the target, high for all others.
        accuracy_interval: 95 % bootstrap interval of `accuracy_after`.
        copies_before: Share of images that copy the memorised picture; None where copies are not counted.
        copies_after: The same after the edit.
        kid: Kernel distance between the images after and before, see `paired_kid`; None for a single image.
    """

    model_config = ConfigDict(frozen=True)

    concept: str
    prompt: str
    role: str
    n: int
    score_before: float
    score_after: float
    score_interval: tuple[float, float]
    accuracy_before: float
    accuracy_after: float
    accuracy_interval: tuple[float, float]
    copies_before: float | None
    copies_after: float | None
    kid: Estimate | None


class Evaluation(BaseModel):
    """The figures of an edit. Each summary is of the worst concept, if the edit removes several.

    Attributes:
        samples: Images per target, before and after.
        first_seed: Seed of the first image of every prompt; the others follow.
        figures: One entry per prompt.
        target_share: Share of the target's images in which CLIP still sees it; None if copies are counted instead.
        copy_share: Share of a memorised caption's images that copy its picture; None if there is none.
        surrounding_drop: Mean fall in CLIP accuracy over anchor and surrounding prompts; negative if it rose. None if
            there are none.
        leakage: By kind of prompt, the share of images that show the target (or copy the picture) when it is asked for
            in other ways.
        adversarial_share: The same for the searched embedding; None if it was not searched.
        unrelated_drop: By which share of itself the CLIP score of unrelated prompts fell; None if there are none.
        target_kid: Kernel distance of the target's images from those before. High is good.
        surrounding_kid: The same of anchor and surrounding images. Low is good.
        unjudged: Why nobody judged the images; None where somebody did.
        refusals: Why the edit is refused: a sentence for each figure that fails, and for each reason why the images
            cannot say anything about it.
        before: The target's images before the edit, uint8 (n, H, W, 3); not kept in files.
        after: The same after it.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    samples: int
    first_seed: int
    figures: tuple[PromptFigures, ...] = ()
    target_share: Estimate | None = None
    copy_share: Estimate | None = None
    surrounding_drop: Estimate | None = None
    leakage: dict[str, Estimate] = Field(default_factory=dict)
    adversarial_share: Estimate | None = None
    unrelated_drop: Estimate | None = None
    target_kid: Estimate | None = None
    surrounding_kid: Estimate | None = None
    unjudged: str | None = None
    refusals: tuple[str, ...] = ()
    before: np.ndarray | None = Field(default=None, exclude=True, repr=False)
    after: np.ndarray | None = Field(default=None, exclude=True, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the gate lets the edit through."""
        return not self.refusals

    def summary(self) -> dict[str, Estimate]:
        """The summaries that there are, by name."""
        names = (
            "target_share",
            "copy_share",
            "surrounding_drop",
            "adversarial_share",
            "unrelated_drop",
            "target_kid",
            "surrounding_kid",
        )
        figures: dict[str, Any] = {name: getattr(self, name) for name in names}
        figures |= {f"leakage_{role.replace(' ', '_')}": figure for role, figure in self.leakage.items()}
        return {name: figure for name, figure in figures.items() if figure is not None}


def refusals(evaluation: Evaluation, gate: Gate) -> tuple[str, ...]:
    """Why a gate refuses an edit: one sentence for every figure that is above its limit; none if it is accepted."""
    limits = {
        "target_share": gate.max_target_share,
        "copy_share": gate.max_copy_share,
        "surrounding_drop": gate.max_surrounding_drop,
        "unrelated_drop": gate.max_unrelated_drop,
        "adversarial_share": gate.max_adversarial_share,
    }
    return tuple(
        f"{name} is {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, {figure.n} images), allowed is {limit:g}"
        for name, figure in evaluation.summary().items()
        if (limit := gate.max_leakage if name.startswith("leakage_") else limits.get(name)) is not None
        and figure.value > limit
    )
