"""The one rule that makes verdicts: scores and a policy's thresholds in, findings and a verdict out.

A threshold of structural similarity has a margin below it, where a person should look; a detector's has none. SSIM
alone is no evidence, since any two pictures on plain ground are alike by it: `iw_ssim`, the same weighted by local
information, must bear it out, or come as near to its own threshold for a person to look. And two charts share a good
deal of information, too. So an image fails by SSIM where a detector agrees, which comes near its own threshold at
least, or where it is certain; where none agrees, a person looks. The most severe finding is the verdict.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from twig_assets.similarity.detectors.detector import Detector, Direction, Scores
from twig_assets.similarity.detectors.registry import detectors

Verdict = Literal["pass", "review", "fail", "inconclusive"]
Thresholds = Mapping[str, Any]
"""A policy's fields, as in an audit's `thresholds` or `Policy.model_dump()`."""

SEVERITY: tuple[Verdict, ...] = ("fail", "review", "inconclusive", "pass")
"""The verdicts, the most severe first."""

_STRUCTURAL = {"ssim_threshold": "ssim", "masked_ssim_threshold": "masked_ssim"}
BORNE_OUT_BY = {"ssim": "iw_ssim", "masked_ssim": "masked_iw_ssim"}
"""Score of structural similarity -> the one that must bear it out."""
BEARS_OUT = "iw_ssim_threshold"
_SHARED = ("iw_ssim", "masked_iw_ssim", "aligned_iw_ssim")
_PASSED_BY_AT_MOST = 2.0

CERTAINLY_INFORMED = 0.8
"""`iw_ssim` from which on SSIM needs no detector to agree; unrelated charts reach 0.7."""

CERTAIN = 0.999
"""SSIM from which on two pictures are the same to the eye, whatever information they hold. Two specks on a white sheet,
each just large enough that the sheet does not count as blank, stay below it."""


class Support(NamedTuple):
    """What must bear a score out before it counts.

    Attributes:
        score: The second score, as an audit's `scores` name it.
        value: From which on it bears the first one out.
    """

    score: str
    value: float


class Limit(NamedTuple):
    """A threshold of a policy.

    Attributes:
        field: Its name in the policy.
        score: The score it limits, as an audit's `scores` name it.
        direction: An image fails when its score is `>=` or `<=` the value.
        value: The threshold; None when it is turned off.
        margin: From this far below the threshold on, a person should look.
        support: What must bear the score out; None if it counts by itself.
        witnesses: Thresholds of the detectors one of which must agree, unless nothing is known of any.
        share: Of a detector, see `Detector.agrees`.
    """

    field: str
    score: str
    direction: Direction
    value: float | None
    margin: float = 0.0
    support: Support | None = None
    witnesses: "tuple[Limit, ...]" = ()
    share: float = 1.0

    def reached(self, score: float | None) -> bool:
        """Whether a score is as bad as that; False for one that was not computed, or a threshold turned off."""
        if score is None or self.value is None:
            return False
        return score >= self.value if self.direction == ">=" else score <= self.value

    def near(self, score: float | None) -> bool:
        """Whether a score reaches the threshold or the margin below it."""
        known = score is not None and self.value is not None
        return self.reached(score) or bool(self.margin and known and score >= self.value - self.margin)  # type: ignore[operator]

    def supported(self, scores: Scores, margin: float = 0.0) -> bool:
        """Whether a score is borne out, or lacks a margin at most; also where nothing is known that could deny it."""
        if self.support is None or (second := scores.get(self.support.score)) is None:
            return True
        return second >= self.support.value - margin

    def verdict(self, scores: Scores) -> Verdict:
        """What this threshold makes of the scores of one image beside one work: `fail`, `review` or `pass`."""
        score = scores.get(self.score)
        if not self.near(score):
            return "pass"
        if self.reached(score) and self.certain(scores):
            return "fail"
        if not self.reached(score) or not self.supported(scores):
            return "review" if self.supported(scores, self.margin) and self.agreed(scores) else "pass"
        return "fail" if self.agreed(scores) else "review"

    def agreed(self, scores: Scores) -> bool:
        """Whether a witness agrees; also where nothing is known that could deny it."""
        known = [witness for witness in self.witnesses if scores.get(witness.score) is not None]
        return not known or any(witness.agrees(scores[witness.score]) for witness in known)

    def agrees(self, score: float | None) -> bool:
        """Whether a score comes near the threshold, or reaches it."""
        if score is None or self.value is None:
            return False
        return score >= self.agreeing_from if self.direction == ">=" else score <= self.agreeing_from

    @property
    def agreeing_from(self) -> float:
        """The score from which on a detector whose threshold is set agrees with SSIM."""
        value = self.value or 0.0
        return self.share * value if self.direction == ">=" else value / self.share

    def certain(self, scores: Scores) -> bool:
        """Whether the pictures are the same, or share so much that nothing else need agree."""
        if self.support is None or (score := scores.get(self.score)) is None:
            return False
        second = scores.get(self.support.score)
        return score >= CERTAIN or (second is not None and second >= max(CERTAINLY_INFORMED, self.support.value))


class DetectorScore(NamedTuple):
    """A detector's score beside its threshold; `reached` when it takes the image for a copy."""

    detector: Detector
    score: float
    threshold: float
    reached: bool


class Triggered(NamedTuple):
    """A detector whose threshold was reached.

    Attributes:
        detector: Its name.
        sentence: Its score beside the threshold, for a person.
    """

    detector: str
    sentence: str


def severity(verdict: str) -> int:
    """A verdict's place in SEVERITY: 0 for the most severe."""
    return [str(name) for name in SEVERITY].index(verdict)


def most_severe(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of some verdicts, one at least."""
    return min(verdicts, key=severity)


def limits(thresholds: Thresholds) -> list[Limit]:
    """The thresholds among a policy's fields, in the fields' order."""
    margin = thresholds.get("review_margin") or 0.0
    least = thresholds.get(BEARS_OUT)
    known = {detector.field.name: detector for detector in detectors()}
    by_detectors = {
        field: Limit(field, known[field].score, known[field].direction, value, share=known[field].agrees)
        for field, value in thresholds.items()
        if field in known
    }
    used = tuple(limit for limit in by_detectors.values() if limit.value is not None)
    listed = []
    for field, value in thresholds.items():
        if field in _STRUCTURAL:
            score = _STRUCTURAL[field]
            support = None if least is None else Support(BORNE_OUT_BY[score], least)
            # Detectors look at whole images, and have no say on what is inside a mask.
            witnesses = used if support and score == "ssim" else ()
            listed.append(Limit(field, score, ">=", value, margin, support, witnesses))
        elif field in known:
            listed.append(by_detectors[field])
    return listed


def limit_of(score: str, thresholds: Thresholds) -> Limit | None:
    """The threshold of a score; None when the policy has no such field."""
    return next((limit for limit in limits(thresholds) if limit.score == score), None)


def detector_scores(scores: Scores, thresholds: Thresholds) -> list[DetectorScore]:
    """Every detector that has a score and a threshold, the one that says most about a copy first.

    Args:
        scores: Score key -> score, as an audit's `scores` or a match has them; those missing or None are left out.
        thresholds: The policy's fields; a threshold of None is turned off.
    """
    by_score = {limit.score: limit for limit in limits(thresholds)}
    listed = []
    for detector in detectors():
        limit, score = by_score.get(detector.score), scores.get(detector.score)
        if limit is not None and limit.value is not None and score is not None:
            listed.append(DetectorScore(detector, score, limit.value, limit.reached(score)))
    return listed


def triggered(scores: Scores, thresholds: Thresholds) -> list[Triggered]:
    """The detectors that take an image for a copy of a work, the one that says most about it first.

    Args:
        scores: Score key -> score of the image beside the work; a missing score triggers nothing.
        thresholds: The policy's fields.
    """
    return [
        Triggered(detector.name, detector.sentence(scores, threshold))
        for detector, _, threshold, reached in detector_scores(scores, thresholds)
        if reached
    ]


class Weight(NamedTuple):
    """How much speaks for an image being a copy of a work: the more, the larger, field by field.

    Attributes:
        verdict: Place of the verdict that the image would have for this work alone, the most severe highest.
        agreeing: How many thresholds were reached, those of SSIM where it is borne out.
        strength: By how much detectors passed their thresholds: the sum of score to threshold, 2 at most each,
            to a tenth.
        information: What both have in common by SSIM weighted by information, whole, in the mask or aligned, -1 to 1.
    """

    verdict: int
    agreeing: int
    strength: float
    information: float


def weight(scores: Scores, thresholds: Thresholds) -> Weight:
    """How much speaks for an image being a copy of a work, by its scores beside it; see `is_behind`."""
    structural = [limit for limit in limits(thresholds) if limit.score in BORNE_OUT_BY]
    reached = [found for found in detector_scores(scores, thresholds) if found.reached]
    by_structure = [limit.verdict(scores) for limit in structural]
    verdict = most_severe(["fail" if reached else "pass", *by_structure])
    shared = [value for name in _SHARED if (value := scores.get(name)) is not None]
    return Weight(
        verdict=-severity(verdict),
        agreeing=len(reached) + by_structure.count("fail"),
        strength=round(sum(_passed_by(found) for found in reached), 1),
        information=max(shared, default=-1.0),
    )


def _passed_by(found: DetectorScore) -> float:
    ratio = found.score / found.threshold if found.detector.direction == ">=" else found.threshold / max(found.score, 1)
    return float(min(_PASSED_BY_AT_MOST, ratio))


def is_behind(scores: Scores, thresholds: Thresholds, verdict: str) -> bool:
    """Whether a work is behind a verdict: by its scores, the image would have that verdict for this work alone.

    Args:
        scores: Score key -> score of the image beside the work, as a match or its stored row has them; further keys
            do not matter.
        thresholds: The fields of the policy that the verdict was given by.
        verdict: The verdict on the image. Behind `review` are also the works that would make it fail.
    """
    if verdict not in ("fail", "review"):
        return False
    return any(severity(limit.verdict(scores)) <= severity(verdict) for limit in limits(thresholds))
