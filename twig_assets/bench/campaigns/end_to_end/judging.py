"""Judging what came of a campaign by what it did not use: the classifier, and all planted pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.bench.campaigns.end_to_end.outcomes import Outcome
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.similarity import AuditResult, Policy, ReferenceImage, ReferenceIndex, audit


@dataclass(frozen=True)
class Opinion:
    """What is thought of one image.

    Attributes:
        named: The most probable concept.
        copies: The comparison with the planted pictures; verdict `fail` is a copy.
    """

    named: str
    copies: AuditResult


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """A record of every prompt: what came of it, and what its images show."""
    plain = _opinions([outcome.plain for outcome in outcomes])
    shown = [outcome.candidate if outcome.released is None else outcome.released for outcome in outcomes]
    return [_row(*judged) for judged in zip(outcomes, _opinions(shown), plain, strict=True)]


def _row(outcome: Outcome, shown: Opinion | None, plain: Opinion | None) -> dict[str, Any]:
    asked = outcome.asked
    return {
        "kind": asked.kind,
        "wording": asked.wording,
        "prompt": asked.text,
        "seed": asked.seed,
        "asked": list(asked.concepts),
        "outcome": outcome.state,
        "released": outcome.released is not None,
        "attempts": outcome.attempts,
        **_fields(shown, asked.concepts, ""),
        **_fields(plain, asked.concepts, "plain_"),
        "adherence": outcome.adherence,
        "reason": outcome.reason,
    }


def _fields(opinion: Opinion | None, asked: Sequence[str], prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}named": opinion and opinion.named,
        f"{prefix}as_asked": opinion is not None and opinion.named in asked,
        f"{prefix}copy": opinion is not None and opinion.copies.verdict == "fail",
        f"{prefix}ssim": opinion and opinion.copies.scores["ssim"],
        f"{prefix}nearest": opinion and opinion.copies.nearest and opinion.copies.nearest.path.name,
    }


def _opinions(images: Sequence[np.ndarray | None]) -> list[Opinion | None]:
    """An opinion of each image, None where there is none."""
    present = [image for image in images if image is not None]
    if not present:
        return [None] * len(images)
    stacked = np.stack(present)
    classifier = load_classifier()
    concepts, _ = classifier.classify(stacked)
    works = [
        ReferenceImage(
            Path(planted.file_stem(*key)), key[0].title, "", "", planted.file_stem(*key), planted.picture(*key)
        )
        for key in planted.PICTURES
    ]
    copies = audit(stacked, works, Policy(), index=ReferenceIndex([work.pixels for work in works]))
    made = iter(
        Opinion(classifier.concepts[concept], result)
        for concept, result in zip(concepts.argmax(-1), copies, strict=True)
    )
    return [None if image is None else next(made) for image in images]
