"""Audit images against protected works: scores, the nearest works and a verdict.

A verdict is an opinion about similarity, not about infringement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.corpus.index import Evidence, ReferenceIndex, gather
from twig_assets.similarity.corpus.references import EmptyCorpusError, ReferenceImage
from twig_assets.similarity.corpus.views import one_view_each, works_of
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.networks import packaged_versions
from twig_assets.similarity.detectors.registry import detectors, opened_sources
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.result import KEPT_MATCHES, AuditResult, Match
from twig_assets.similarity.structural.pair_scores import Near, PairScores, make_exact, pair_scores
from twig_assets.similarity.structural.pictures import BORDER
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import (
    BORNE_OUT_BY,
    Limit,
    Triggered,
    Verdict,
    limits,
    most_severe,
    severity,
    triggered,
)

LIBRARIES = ("scikit-image", "numpy", "scipy", "pillow", "opencv-python-headless", "pdqhash", "faiss-cpu")
SCORING = "3"
"""Raised when this project's own scores change, so that no verdict rests on scores of before."""


def audit(
    images: np.ndarray,
    references: Sequence[ReferenceImage],
    policy: Policy,
    *,
    masks: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    index: ReferenceIndex | None = None,
    kept: int = KEPT_MATCHES,
) -> list[AuditResult]:
    """Compare images with every reference in all eight orientations, and let the detectors look for other copies.

    Args:
        images: uint8 array of shape (n, H, W, 3). References of another size are resized to H x W.
        references: The corpus. Views of the same work have the same `sha256`; matches name works, each once, by the
            view that is most alike.
        policy: Thresholds and quality gate.
        masks: bool array of shape (n, H, W), True on the foreground of each image; all False where there is none.
        labels: A name for each image, `image 0` and so on by default.
        index: The index of the references, in their order; made when it is not given.
        kept: How many matches a result lists at most, 1 or more.

    Returns:
        One result per image, in order.

    Raises:
        EmptyCorpusError: If there are no references; an audit against nothing would pass everything.
        ValueError: If shapes, types or lengths are other than this.
    """
    names = [f"image {i}" for i in range(len(images))] if labels is None else list(labels)
    if len(names) != len(images):
        raise ValueError(f"labels: {len(names)} names for {len(images)} images; give one each")
    if not references:
        raise EmptyCorpusError("references: there are none; an audit against nothing would pass everything")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images: expected uint8 (n, H, W, 3), got {images.dtype} {images.shape}")
    if masks is not None and (masks.dtype != np.bool_ or masks.shape != images.shape[:3]):
        raise ValueError(f"masks: expected bool {images.shape[:3]}, got {masks.dtype} {masks.shape}")
    gates = [_gate(image, policy) for image in images]
    judged = [i for i, reason in enumerate(gates) if reason is None]
    usable = _usable_masks(images, masks, policy)
    results = {i: _inconclusive(names[i], images[i], str(gates[i]), policy) for i in range(len(images)) if gates[i]}
    if judged:
        pixels = [reference.pixels for reference in references]
        index = indexed(references, opened_sources(policy.model_dump())) if index is None else index
        if len(index) != len(references):
            raise ValueError(f"index: holds {len(index)} works, there are {len(references)} references")
        scores = pair_scores(
            images[judged],
            pixels,
            masks=usable[judged],
            orientations=len(ORIENTATIONS),
            listed=kept,
            near=_near(policy),
        )
        for row, i in enumerate(judged):
            mask_pixels = None if masks is None else int(masks[i].sum())
            ranked = np.argsort(-scores.whole[row], kind="stable").tolist()
            nearest = one_view_each(ranked, references, kept)
            for reference in set(nearest) - set(ranked[:kept]):
                make_exact(scores, row, reference, images[i], pixels[reference], usable[i])
            kinds = _structural_kinds(scores, row, policy)
            alike = [reference for kind in kinds for reference in one_view_each(kind.alike(), references, kept)]
            looked_at = {*nearest, *(kind.nearest for kind in kinds), *alike}
            evidence = gather(index, pixels, images[i], policy.candidates, also=sorted(looked_at))
            copies = {pair.reference for pair in evidence if triggered(pair.scores, policy.model_dump())}
            for reference in sorted(copies - looked_at):
                make_exact(scores, row, reference, images[i], pixels[reference], usable[i])
            order = [*alike, *nearest]
            results[i] = _judge(
                names[i], images[i], mask_pixels, scores, row, kinds, order, evidence, references, policy, kept
            )
    return [results[i] for i in range(len(images))]


def _gate(image: np.ndarray, policy: Policy) -> str | None:
    height, width = image.shape[:2]
    if min(height, width) < policy.min_side:
        return f"{width} x {height} px is too small to judge; at least {policy.min_side} px are needed"
    if image.std() < policy.min_contrast:
        return f"the image is blank (contrast {image.std():.1f}, at least {policy.min_contrast:g} is needed)"
    return None


def _usable_masks(images: np.ndarray, masks: np.ndarray | None, policy: Policy) -> np.ndarray:
    if masks is None:
        return np.zeros(images.shape[:3], dtype=bool)
    inner = masks[:, BORDER:-BORDER, BORDER:-BORDER].sum(axis=(1, 2))
    return masks & (inner >= policy.min_mask_pixels)[:, None, None]


def _inconclusive(label: str, image: np.ndarray, reason: str, policy: Policy) -> AuditResult:
    structural = ("ssim", "iw_ssim", "masked_ssim", "masked_iw_ssim")
    computed = (*structural, *(detector.score for detector in detectors()))
    scores: dict[str, float | None] = {**dict.fromkeys(computed), "contrast": float(image.std()), "mask_pixels": None}
    return AuditResult(label, "inconclusive", [reason], None, scores, policy.model_dump(), [], library_versions())


@dataclass(frozen=True, eq=False)
class _Kind:
    """One kind of structural similarity of an image with all works.

    Attributes:
        title: What it is called in a sentence.
        limit: Its threshold.
        values: float64 (N,), the scores.
        orientations: int (N,), indices into ORIENTATIONS.
        informed: float64 (N,), what bears the scores out.
    """

    title: str
    limit: Limit
    values: np.ndarray
    orientations: np.ndarray
    informed: np.ndarray

    @property
    def nearest(self) -> int:
        """The work with the highest score."""
        return int(self.values.argmax())

    def scores(self, reference: int) -> dict[str, float | None]:
        """The scores that this threshold looks at, beside one work."""
        second = BORNE_OUT_BY[self.limit.score]
        return {self.limit.score: float(self.values[reference]), second: float(self.informed[reference])}

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


def _structural_kinds(scores: PairScores, row: int, policy: Policy) -> list[_Kind]:
    """SSIM over the whole image and, if it has a mask, inside it."""
    by_score = {limit.score: limit for limit in limits(policy.model_dump())}
    kinds = [_Kind("SSIM", by_score["ssim"], scores.whole[row], scores.whole_orientation[row], scores.informed[row])]
    if not np.isnan(scores.masked[row]).any():
        of_mask = scores.masked[row], scores.masked_orientation[row], scores.masked_informed[row]
        kinds.append(_Kind("SSIM inside the mask", by_score["masked_ssim"], *of_mask))
    return kinds


def _near(policy: Policy) -> Near | None:
    """From where on SSIM decides if it is borne out; None where only the highest counts."""
    if policy.iw_ssim_threshold is None:
        return None
    least = (policy.ssim_threshold, policy.masked_ssim_threshold, policy.iw_ssim_threshold)
    return Near(*(value - policy.review_margin for value in least))


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


def _judge(
    label: str,
    image: np.ndarray,
    mask_pixels: int | None,
    scores: PairScores,
    row: int,
    kinds: Sequence[_Kind],
    nearest: Sequence[int],
    evidence: Sequence[Evidence],
    references: Sequence[ReferenceImage],
    policy: Policy,
    kept: int,
) -> AuditResult:
    triggers = {pair.reference: triggered(pair.scores, policy.model_dump()) for pair in evidence}
    findings = [
        *(_structural_finding(kind, references) for kind in kinds),
        *_detector_findings(evidence, triggers, references),
    ]
    verdict = most_severe(finding.verdict for finding in findings)
    reasons = [finding.sentence for finding in findings if finding.verdict == verdict]
    has_mask = not np.isnan(scores.masked[row]).any()
    if mask_pixels is not None and not has_mask:
        reasons.append(f"the mask has too few pixels away from the edge for a score of its own ({mask_pixels} in all)")
    behind = [finding.reference for finding in findings if finding.verdict == verdict != "pass"]
    order = one_view_each([*behind, *nearest], references, kept)
    pairs = {pair.reference: pair for pair in evidence}
    matches = [
        _match(scores, row, rank, references[i], image, pairs[i], triggers[i]) for rank, i in enumerate(order, start=1)
    ]
    values: dict[str, float | None] = {
        "ssim": float(scores.whole[row].max()),
        "iw_ssim": float(scores.informed[row].max()),
        "masked_ssim": float(scores.masked[row].max()) if has_mask else None,
        "masked_iw_ssim": float(scores.masked_informed[row].max()) if has_mask else None,
        **_nearest_scores(evidence),
        "contrast": float(image.std()),
        "mask_pixels": mask_pixels,
    }
    return AuditResult(
        label, verdict, reasons, references[order[0]], values, policy.model_dump(), matches, library_versions()
    )


def _structural_finding(kind: _Kind, references: Sequence[ReferenceImage]) -> _Finding:
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
    if limit.supported(scores):
        return f", and weighted by information it is {weighted:.3f}, {least:g} or more"
    if limit.certain(scores):
        return ", the very picture"
    if limit.supported(scores, limit.margin):
        return f", and weighted by information it is {weighted:.3f}, within {limit.margin:g} of {least:g}"
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
    scores: PairScores,
    row: int,
    rank: int,
    reference: ReferenceImage,
    image: np.ndarray,
    evidence: Evidence,
    triggers: Sequence[Triggered],
) -> Match:
    column = evidence.reference
    masked = float(scores.masked[row, column])
    has_mask = not np.isnan(masked)
    size = reference.pixels.shape[:2]
    return Match(
        reference_sha256=reference.sha256,
        rank=rank,
        scores={
            "ssim": float(scores.whole[row, column]),
            "iw_ssim": float(scores.informed[row, column]),
            "masked_ssim": masked if has_mask else None,
            "masked_iw_ssim": float(scores.masked_informed[row, column]) if has_mask else None,
            **evidence.scores,
        },
        transform=ORIENTATIONS[scores.whole_orientation[row, column]],
        masked_transform=ORIENTATIONS[scores.masked_orientation[row, column]] if has_mask else None,
        resized_from=None if size == image.shape[:2] else (size[0], size[1]),
        copied=evidence.copied,
        fired=tuple(trigger.detector for trigger in triggers),
        reference_view=reference.view,
    )


def _nearest_scores(evidence: Sequence[Evidence]) -> dict[str, float | None]:
    """Score of every detector -> the one nearest to a copy; None if there is none."""
    nearest: dict[str, float | None] = {}
    for detector in detectors():
        known = [score for pair in evidence if (score := pair.scores[detector.score]) is not None]
        nearest[detector.score] = (max if detector.direction == ">=" else min)(known, default=None)
    return nearest


def indexed(references: Sequence[ReferenceImage], sources: Sequence[Source]) -> ReferenceIndex:
    """The index of references; views of one work are its views there too.

    Args:
        references: The views.
        sources: What describes and compares, see `opened_sources`.
    """
    return ReferenceIndex([reference.pixels for reference in references], sources, works=works_of(references))


def library_versions() -> dict[str, str]:
    """Name -> version of the installed libraries that scores and verdicts depend on, and of the scoring itself."""
    return {"scoring": SCORING, **{library: version(library) for library in LIBRARIES}, **packaged_versions()}
