"""Propose thresholds from a corpus and from images that are known not to copy it.

The defaults are safe: the benchmark `detectors` measures hardly a false alarm at them, over strangers of many kinds. A
few clean images that happen to lie far from a corpus are no reason to go below them, so that is only done when asked.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from twig_assets.similarity.audit import audit
from twig_assets.similarity.corpus.index import ReferenceIndex
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import Limit, limits

CONFIDENCE = 0.95
WANTED_IMAGES = 300
"""With so many clean images and no false alarm among them, the true share is below 1 % with 95 % confidence."""

Scores = dict[str, float | None]


class CalibrationError(ValueError):
    """Too little to calibrate on; the message says what to add."""


@dataclass(frozen=True)
class Proposal:
    """A threshold and what it does.

    Attributes:
        limit: The proposed threshold.
        clean: The best score of every clean image against the whole corpus, where there is one.
        copies: The same of every planted copy.
        false_alarms: Share of the clean images that fail by the threshold.
        detected: Share of the copies that do; None without copies.
    """

    limit: Limit
    clean: tuple[float, ...]
    copies: tuple[float, ...]
    false_alarms: float
    detected: float | None


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` proposes.

    Attributes:
        policy: The proposed policy.
        proposals: One for each threshold that is not turned off and that any clean image has a score for.
        images: How many clean images were judged.
        copies: How many planted copies were judged.
        wanted: The wanted share of false alarms.
        false_alarms: Share of the clean images that any threshold of the proposed policy fails.
        upper: With 95 % confidence the true share is not above this (Clopper and Pearson, 1934, one-sided).
        detected: Share of the planted copies that any threshold fails; None without copies.
        inconclusive: Images and copies that the quality gate held back; they count nowhere.
    """

    policy: Policy
    proposals: list[Proposal]
    images: int
    copies: int
    wanted: float
    false_alarms: float
    upper: float
    detected: float | None
    inconclusive: int

    @property
    def promise(self) -> float:
        """The share of false alarms that so many images can rule out at best, when none of them fails."""
        return 1 - (1 - CONFIDENCE) ** (1 / self.images)

    @property
    def images_wanted(self) -> int:
        """How many clean images it takes to rule out more than the wanted share; a few hundred at least."""
        return max(WANTED_IMAGES, math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-self.wanted)))


def calibrate(
    images: Sequence[np.ndarray],
    references: Sequence[ReferenceImage],
    policy: Policy | None = None,
    *,
    false_alarms: float = 0.01,
    copies: Sequence[np.ndarray] = (),
    loosen: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Calibration:
    """Propose thresholds at which a wanted share of clean images fails.

    Every image counts with its best score against the whole corpus, for that is what a verdict rests on. The wanted
    share is divided equally among the thresholds (Bonferroni), so that together they do not exceed it. A threshold is
    put just beyond the clean score that would be one alarm too many; with few images that is just beyond the highest.
    It never becomes looser than it was, unless asked to. SSIM counts where `iw_ssim` bears it out, which has its
    threshold from the policy.

    Args:
        images: uint8 arrays of shape (h, w, 3), any sizes, that do not copy any reference.
        references: The corpus.
        policy: Gives all fields that are not calibrated; the default policy by default. What it has turned off stays
            off.
        false_alarms: Wanted share of clean images that fail, above 0 and below 1.
        copies: Images that do copy a reference, such as transformed references: they choose nothing, but show what
            the thresholds find.
        loosen: Whether a threshold may become looser than it is in the policy to start from.
        progress: Called after every image.

    Raises:
        CalibrationError: If the wanted share is impossible, or fewer than two images can be judged.
        EmptyCorpusError: If there are no references.
    """
    if not 0 < false_alarms < 1:
        raise CalibrationError(f"false_alarms: {false_alarms:g} is not possible; choose a share above 0 and below 1")
    start = policy or Policy()

    index = ReferenceIndex([reference.pixels for reference in references]) if references else None

    def judged(picture: np.ndarray) -> Scores | None:
        [result] = audit(picture[None], references, start, index=index)
        progress()
        return None if result.verdict == "inconclusive" else result.scores

    return propose(
        [judged(picture) for picture in images], [judged(picture) for picture in copies], start, false_alarms, loosen
    )


def propose(
    clean: Sequence[Scores | None],
    copies: Sequence[Scores | None],
    policy: Policy,
    false_alarms: float,
    loosen: bool = False,
) -> Calibration:
    """Propose thresholds from audits that were made already; see `calibrate`.

    Args:
        clean: The `scores` of the audit of each clean image; None if it was inconclusive.
        copies: The `scores` of the audit of each planted copy; None if it was inconclusive.
        policy: The policy they were made under.
        false_alarms: Wanted share of clean images that fail.
        loosen: See `calibrate`.
    """
    scored = [[scores for scores in audited if scores is not None] for audited in (clean, copies)]
    held = len(clean) + len(copies) - len(scored[0]) - len(scored[1])
    if len(scored[0]) < 2:
        raise CalibrationError(f"images: {len(scored[0])} can be judged, which says nothing; add clean images")
    scored_limits = [
        limit for limit in limits(policy.model_dump()) if limit.value is not None and _column(scored[0], limit)
    ]
    proposals = [
        _proposal(limit, policy, scored[0], scored[1], false_alarms / len(scored_limits), loosen)
        for limit in scored_limits
    ]
    proposed = policy.model_validate({**policy.model_dump(), **{p.limit.field: p.limit.value for p in proposals}})
    alarms, caught = (
        sum(any(_fails(scores, proposal.limit) for proposal in proposals) for scores in audited) for audited in scored
    )
    return Calibration(
        policy=proposed,
        proposals=proposals,
        images=len(scored[0]),
        copies=len(scored[1]),
        wanted=false_alarms,
        false_alarms=alarms / len(scored[0]),
        upper=_upper(alarms, len(scored[0])),
        detected=caught / len(scored[1]) if scored[1] else None,
        inconclusive=held,
    )


def _proposal(
    limit: Limit, policy: Policy, clean: Sequence[Scores], copies: Sequence[Scores], share: float, loosen: bool
) -> Proposal:
    counted = _column([scores for scores in clean if limit.supported(scores)], limit)
    # An image without this score cannot fail by it, but is one of those among which the share is counted.
    allowed = int(share * len(clean))
    proposed = limit._replace(value=_beyond(counted, allowed, limit))
    if not loosen and not limit.reached(proposed.value):
        proposed = limit
    if not _possible(proposed, policy):
        # So far from all clean scores that the policy has no such threshold: then its own alarms none either.
        proposed = limit
    if sum(map(proposed.reached, counted)) > allowed:
        worst = max(counted) if limit.direction == ">=" else min(counted)
        raise CalibrationError(
            f"images: more than {allowed} of them are as near to a reference as a copy "
            f"({limit.score} up to {worst:g}); take those out that are not clean images"
        )
    alarms = sum(_fails(scores, proposed) for scores in clean) / len(clean)
    detected = sum(_fails(scores, proposed) for scores in copies) / len(copies) if copies else None
    return Proposal(proposed, tuple(_column(clean, limit)), tuple(_column(copies, limit)), alarms, detected)


def _possible(limit: Limit, policy: Policy) -> bool:
    try:
        policy.model_validate({**policy.model_dump(), limit.field: limit.value})
    except ValidationError:
        return False
    return True


def _beyond(scores: Sequence[float], allowed: int, limit: Limit) -> float | None:
    """The threshold, in steps of 0.001 or of 1, that at most `allowed` of the scores reach."""
    upwards = limit.direction == ">="
    worst = sorted(scores, reverse=upwards)
    if allowed >= len(worst):
        return limit.value
    if isinstance(limit.value, int):
        return int(worst[allowed]) + (1 if upwards else -1)
    step = np.floor(worst[allowed] * 1000) + 1 if upwards else np.ceil(worst[allowed] * 1000) - 1
    return float(round(step / 1000, 3))


def _column(scored: Sequence[Scores], limit: Limit) -> list[float]:
    values = (scores.get(limit.score) for scores in scored)
    return [value for value in values if value is not None]


def _fails(scores: Scores, limit: Limit) -> bool:
    return limit.verdict(scores) == "fail"


def _upper(alarms: int, count: int) -> float:
    # The quantile of the beta distribution; scipy takes a second to load, and only calibration needs it.
    from scipy.special import betaincinv

    return 1.0 if alarms == count else float(betaincinv(alarms + 1, count - alarms, CONFIDENCE))
