"""Whether the images of an evaluation can say anything about an edit at all; where not, it is never accepted.

The gate compares figures with limits. That is of use only if the target was there to be removed, if there is something
in the images, and if the judge recognises what this model draws. Random noise and black pictures show no target either.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from twig_assets.ablation.evaluation.prompts import Probe
from twig_assets.settings.evaluation import Gate

# Standard deviation of an image's values, of 255, below which nothing is in it; and which share of images may be so.
_CONTRAST = 4.0
_MOST_BLANK = 0.1
# Of the embedded judge, eleven pairs of its own model's concepts reach 0.29 to 0.95 of what separates their texts;
# of a model with random weights at most 0.09 of it, of a judge with random weights at most 0.04.
_LEAST_SEPARATION = 0.1
# Chance is 0.5. A pair that is hard to tell apart, as a pouting cat and a cat, reaches 0.78.
_LEAST_ORDER = 0.6


class Seen(Protocol):
    """What is known of the images of one probe, before the edit (row 0) and after it (row 1)."""

    @property
    def probe(self) -> Probe:
        """What was drawn."""
        ...

    @property
    def images(self) -> np.ndarray:
        """uint8 (2, n, H, W, 3)."""
        ...

    @property
    def features(self) -> np.ndarray:
        """The judge's unit vectors of the images, (2, n, d)."""
        ...

    @property
    def texts(self) -> np.ndarray:
        """Its unit vectors of the probe's `shown` and of its rivals, (1 + rivals, d)."""
        ...

    @property
    def copies(self) -> np.ndarray | None:
        """Whether an image copies the memorised picture, bool (2, n); None where copies are not counted."""
        ...

    @property
    def shows_target(self) -> np.ndarray:
        """Whether an image shows what the target asks for, bool (2, n)."""
        ...


class Separation(NamedTuple):
    """How well a judge tells the unedited images of two prompts apart.

    Attributes:
        share: By how much the images differ along the direction in which the prompts' texts do, as a share of what the
            texts differ; 0 where the judge sees no difference.
        order: How often, of an image of either, it finds the target's own nearer to the target's text; 0.5 is chance.
    """

    share: float
    order: float


def blank_images(observations: Sequence[Seen]) -> list[str]:
    """Why the images are too empty to judge an edit by; nothing if they are not."""
    reasons = []
    for row, when in enumerate(("before", "after")):
        images = np.concatenate([seen.images[row] for seen in observations])
        blank = int((images.reshape(len(images), -1).std(axis=1) < _CONTRAST).sum())
        if blank > _MOST_BLANK * len(images):
            reasons.append(
                f"{blank} of {len(images)} images {when} the edit are blank, so they show neither the target nor "
                f"anything else; see what the model draws"
            )
    return reasons


def target_was_not_there(observations: Sequence[Seen], gate: Gate) -> list[str]:
    """Concepts whose target the unedited model hardly draws: it would pass the gate as it is."""
    reasons = []
    for concept, group in _by_concept([seen for seen in observations if seen.probe.role == "target"]).items():
        copied = group[0].copies is not None
        limit = (gate.max_copy_share if copied else gate.max_target_share) or 0.0
        share = float(np.concatenate([seen.shows_target[0] for seen in group]).mean())
        if share <= limit:
            what = "copies the picture" if copied else "shows the target"
            reasons.append(
                f"concept {concept!r}: only {share:.0%} of the unedited model's own images {what}, so there is nothing "
                f"to remove, or the judge does not see it"
            )
    return reasons


def judge_is_a_stranger(observations: Sequence[Seen]) -> list[str]:
    """Concepts of which the judge cannot tell target from anchor on images of the unedited model."""
    reasons = []
    for concept, pairs in separations(observations).items():
        share = float(np.mean([pair.share for pair in pairs]))
        order = float(np.mean([pair.order for pair in pairs]))
        if share < _LEAST_SEPARATION or order < _LEAST_ORDER:
            reasons.append(
                f"concept {concept!r}: on the unedited model's images the judge cannot tell the target from its anchor "
                f"(separation {share:.2f}, at least {_LEAST_SEPARATION:g} is needed; order {order:.2f} of "
                f"{_LEAST_ORDER:g}), so judge and model do not know each other; name another judge"
            )
    return reasons


def separations(observations: Sequence[Seen]) -> dict[str, list[Separation]]:
    """Concept -> how well the judge tells target from anchor before the edit, for each pair of prompts.

    Memorised works are left out: what counts for them are copies.
    """
    anchors = {(s.probe.concept, s.probe.prompt): s for s in observations if s.probe.role == "anchor"}
    pairs: dict[str, list[Separation]] = {}
    for seen in observations:
        anchor = anchors.get((seen.probe.concept, seen.probe.rivals[0])) if seen.probe.role == "target" else None
        if anchor is not None and seen.copies is None:
            pairs.setdefault(seen.probe.concept, []).append(_separation(seen, anchor))
    return pairs


def _separation(target: Seen, anchor: Seen) -> Separation:
    direction = target.texts[0] - target.texts[1]
    shown, other = (seen.features[0] @ direction for seen in (target, anchor))
    distance = float(direction @ direction)
    share = float(shown.mean() - other.mean()) / distance if distance else 0.0
    ahead = np.sign(shown[:, None] - other[None, :])
    return Separation(share, float((ahead.mean() + 1) / 2))


def _by_concept(observations: Sequence[Seen]) -> dict[str, list[Seen]]:
    groups: dict[str, list[Seen]] = {}
    for seen in observations:
        groups.setdefault(seen.probe.concept, []).append(seen)
    return groups
