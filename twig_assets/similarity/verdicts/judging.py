"""From what an image has in common with works to a verdict, under any policy; nothing is compared again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from twig_assets.similarity.comparison import Comparison
from twig_assets.similarity.corpus.index import Evidence
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.corpus.views import one_view_each
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.result import KEPT_MATCHES, AuditResult, Match
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import (
    BEARS_OUT,
    BORNE_OUT_BY,
    Limit,
    Triggered,
    Verdict,
    limits,
    most_severe,
    severity,
    triggered,
)
from twig_assets.similarity.versions import library_versions

_JUDGING = {BEARS_OUT, "review_margin", "min_contrast", "min_side", "min_mask_pixels", "candidates"}
"""Fields that decide on scores, or on which images and works are looked at, and change no score."""


def judge(
    comparison: Comparison,
    references: Sequence[ReferenceImage],
    policy: Policy,
    label: str,
    kept: int = KEPT_MATCHES,
) -> AuditResult:
    """The verdict on an image that was compared with works.

    Args:
        comparison: What it has in common with each of them. Scores that are shown or may decide have to be exact.
        references: The works, in the comparison's order; their pixels are not looked at.
        policy: Thresholds.
        label: The image's name.
        kept: How many matches the result lists at most, 1 or more.
    """
    kinds = structural_kinds(comparison, policy)
    triggers = {pair.reference: triggered(pair.scores, policy.model_dump()) for pair in comparison.evidence}
    findings = [
        *(_structural_finding(kind, references) for kind in kinds),
        *_detector_findings(comparison.evidence, triggers, references),
    ]
    verdict = most_severe(finding.verdict for finding in findings)
    reasons = [finding.sentence for finding in findings if finding.verdict == verdict]
    if comparison.mask_pixels is not None and not comparison.has_mask:
        few = f"({comparison.mask_pixels} in all)"
        reasons.append(f"the mask has too few pixels away from the edge for a score of its own {few}")
    behind = [finding.reference for finding in findings if finding.verdict == verdict != "pass"]
    order = one_view_each([*behind, *shown(comparison, kinds, references, kept)], references, kept)
    matches = [_match(comparison, rank, i, references[i], triggers[i]) for rank, i in enumerate(order, start=1)]
    return AuditResult(
        label,
        verdict,
        reasons,
        references[order[0]],
        _nearest_scores(comparison),
        policy.model_dump(),
        matches,
        library_versions(),
    )


def shown(
    comparison: Comparison, kinds: "Sequence[Kind]", references: Sequence[ReferenceImage], kept: int
) -> list[int]:
    """The works that a result may list for their structural similarity: those alike, and the nearest by SSIM."""
    alike = [reference for kind in kinds for reference in one_view_each(kind.alike(), references, kept)]
    ranked = np.argsort(-comparison.whole, kind="stable").tolist()
    return [*alike, *one_view_each(ranked, references, kept)]


def gated(size: tuple[int, int], contrast: float, policy: Policy) -> str | None:
    """Why an image cannot be judged; None if it can.

    Args:
        size: Its height and width in pixels.
        contrast: Standard deviation of its pixel values.
        policy: The quality gate.
    """
    height, width = size
    if min(height, width) < policy.min_side:
        return f"{width} x {height} px is too small to judge; at least {policy.min_side} px are needed"
    if contrast < policy.min_contrast:
        return f"the image is blank (contrast {contrast:.1f}, at least {policy.min_contrast:g} is needed)"
    return None


def compared_by(policy: Policy) -> dict[str, Any]:
    """The fields of a policy that decide how scores come about; the others only judge them."""
    fields = policy.model_dump(mode="json")
    thresholds = {limit.field for limit in limits(fields)}
    return {name: value for name, value in fields.items() if name not in thresholds | _JUDGING}


def inconclusive(label: str, contrast: float, reason: str, policy: Policy) -> AuditResult:
    """The result for an image that cannot be judged."""
    structural = ("ssim", "iw_ssim", "masked_ssim", "masked_iw_ssim")
    computed = (*structural, *(detector.score for detector in detectors()))
    scores: dict[str, float | None] = {**dict.fromkeys(computed), "contrast": contrast, "mask_pixels": None}
    return AuditResult(label, "inconclusive", [reason], None, scores, policy.model_dump(), [], library_versions())


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of structural similarity of an image with all works.

    Attributes:
        title: What it is called in a sentence.
        limit: Its threshold.
        values: float64 (N,), the scores.
        orientations: int (N,), indices into ORIENTATIONS.
        informed: float64 (N,), what bears the scores out.
        evidence: Index of a work -> what the detectors say of it, where they looked.
    """

    title: str
    limit: Limit
    values: np.ndarray
    orientations: np.ndarray
    informed: np.ndarray
    evidence: Mapping[int, Mapping[str, float | None]]

    @property
    def nearest(self) -> int:
        """The work with the highest score."""
        return int(self.values.argmax())

    def scores(self, reference: int) -> dict[str, float | None]:
        """The scores that this threshold looks at, beside one work."""
        second = BORNE_OUT_BY[self.limit.score]
        own = {self.limit.score: float(self.values[reference]), second: float(self.informed[reference])}
        return {**self.evidence.get(reference, {}), **own}

    def alike(self) -> list[int]:
        """The works that the image does not pass beside, the one with most in common first.

        Where SSIM counts by itself, only the nearest, since that may be so beside half of a corpus.
        """
        margin = self.limit.margin
        high = np.flatnonzero(self.values >= (self.limit.value or 0) - margin).tolist()
        if self.limit.support is None:
            high = [self.nearest] if high else []
        verdicts = {i: self.limit.verdict(self.scores(i)) for i in high}
        alike = [i for i in high if verdicts[i] != "pass"]
        return sorted(alike, key=lambda i: (severity(verdicts[i]), -self.informed[i]))


def structural_kinds(comparison: Comparison, policy: Policy) -> list[Kind]:
    """SSIM over the whole image and, if it has a mask, inside it."""
    by_score = {limit.score: limit for limit in limits(policy.model_dump())}
    evidence = {pair.reference: pair.scores for pair in comparison.evidence}
    of_image = comparison.whole, comparison.whole_orientation, comparison.informed, evidence
    kinds = [Kind("SSIM", by_score["ssim"], *of_image)]
    if comparison.has_mask:
        of_mask = comparison.masked, comparison.masked_orientation, comparison.masked_informed, evidence
        kinds.append(Kind("SSIM inside the mask", by_score["masked_ssim"], *of_mask))
    return kinds


class _Finding(NamedTuple):
    """What one measure says.

    Attributes:
        verdict: By this measure alone.
        sentence: Why, for a person.
        reference: Index of the work.
    """

    verdict: Verdict
    sentence: str
    reference: int


def _structural_finding(kind: Kind, references: Sequence[ReferenceImage]) -> _Finding:
    """What the work that a kind of structural similarity rests on says."""
    best = next(iter(kind.alike()), kind.nearest)
    limit, scores = kind.limit, kind.scores(best)
    turned = "" if kind.orientations[best] == 0 else str(ORIENTATIONS[kind.orientations[best]])
    beside = f"{kind.title} {kind.values[best]:.3f} to {_named(references[best], turned)}"
    verdict = limit.verdict(scores)
    if limit.reached(scores[limit.score]):
        sentence = f"{beside} reaches the threshold {limit.value:g}"
    elif verdict == "review":
        sentence = f"{beside} is within {limit.margin:g} of the threshold {limit.value:g}"
    else:
        sentence = f"{beside} is the highest and stays below the threshold {limit.value:g}"
    return _Finding(verdict, sentence + _borne_out(limit, scores), best)


def _named(reference: ReferenceImage, *details: str) -> str:
    """A work's title, and in parentheses which view of it and whatever else there is to say."""
    known = [detail for detail in (reference.view, *details) if detail]
    return f"{reference.title!r} ({', '.join(known)})" if known else repr(reference.title)


def _borne_out(limit: Limit, scores: Mapping[str, float | None]) -> str:
    """Whether a score that is high enough to matter says something; empty where it is not, or need not be borne out."""
    if limit.support is None or not limit.near(scores[limit.score]):
        return ""
    weighted, least = scores[limit.support.score], limit.support.value
    denied = "" if limit.agreed(scores) or limit.certain(scores) else ", but no detector comes near to its threshold"
    if limit.supported(scores):
        return f", and weighted by information it is {weighted:.3f}, {least:g} or more{denied}"
    if limit.certain(scores):
        return ", the very picture"
    if limit.supported(scores, limit.margin):
        return f", and weighted by information it is {weighted:.3f}, within {limit.margin:g} of {least:g}{denied}"
    return f", but that is plain ground: weighted by information it is {weighted:.3f}, below {least:g}"


def _detector_findings(
    evidence: Sequence[Evidence], triggers: dict[int, list[Triggered]], references: Sequence[ReferenceImage]
) -> list[_Finding]:
    """One finding per reference that a detector triggers on; the one that most detectors agree on first."""
    copies = [pair for pair in evidence if triggers[pair.reference]]
    copies.sort(key=lambda pair: (-len(triggers[pair.reference]), -(pair.scores["sift_inliers"] or 0)))
    first = set(one_view_each([pair.reference for pair in copies], references))
    return [
        _Finding(
            "fail",
            f"a copy of {_named(references[pair.reference], ', '.join(pair.copied) or 'how is not known')}: "
            + "; ".join(trigger.sentence for trigger in triggers[pair.reference]),
            pair.reference,
        )
        for pair in copies
        if pair.reference in first
    ]


def _match(
    comparison: Comparison, rank: int, column: int, reference: ReferenceImage, triggers: Sequence[Triggered]
) -> Match:
    [evidence] = [pair for pair in comparison.evidence if pair.reference == column]
    has_mask, size = comparison.has_mask, comparison.sizes[column]
    return Match(
        reference_sha256=reference.sha256,
        rank=rank,
        scores={
            "ssim": float(comparison.whole[column]),
            "iw_ssim": float(comparison.informed[column]),
            "masked_ssim": float(comparison.masked[column]) if has_mask else None,
            "masked_iw_ssim": float(comparison.masked_informed[column]) if has_mask else None,
            **evidence.scores,
        },
        transform=ORIENTATIONS[comparison.whole_orientation[column]],
        masked_transform=ORIENTATIONS[comparison.masked_orientation[column]] if has_mask else None,
        resized_from=None if size == comparison.size else size,
        copied=evidence.copied,
        fired=tuple(trigger.detector for trigger in triggers),
        reference_view=reference.view,
    )


def _nearest_scores(comparison: Comparison) -> dict[str, float | None]:
    """Of each score the one nearest to a copy, None if there is none; and what describes the image."""
    nearest: dict[str, float | None] = {
        "ssim": float(comparison.whole.max()),
        "iw_ssim": float(comparison.informed.max()),
        "masked_ssim": float(comparison.masked.max()) if comparison.has_mask else None,
        "masked_iw_ssim": float(comparison.masked_informed.max()) if comparison.has_mask else None,
    }
    for detector in detectors():
        known = [score for pair in comparison.evidence if (score := pair.scores[detector.score]) is not None]
        nearest[detector.score] = (max if detector.direction == ">=" else min)(known, default=None)
    return {**nearest, "contrast": comparison.contrast, "mask_pixels": comparison.mask_pixels}
