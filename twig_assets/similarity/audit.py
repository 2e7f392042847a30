"""Audit images against protected works: scores, the nearest works and a verdict.

A verdict is an opinion about similarity, not about infringement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from twig_assets.similarity.corpus.references import EmptyCorpusError, ReferenceImage
from twig_assets.similarity.detectors import Evidence, ReferenceIndex, embedders_of, fired, gather
from twig_assets.similarity.detectors.embedders import SSCD
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.structural.pair_scores import PairScores, make_exact, pair_scores
from twig_assets.similarity.structural.pictures import BORDER
from twig_assets.similarity.verdicts.policy import Policy

Verdict = Literal["pass", "review", "fail", "inconclusive"]
KEPT_MATCHES = 5
LIBRARIES = ("scikit-image", "numpy", "scipy", "pillow", "opencv-python-headless", "pdqhash", "faiss-cpu")


@dataclass(frozen=True)
class Match:
    """How one image compares with one reference.

    Attributes:
        reference_sha256: Hash of the reference's file.
        rank: 1 for the nearest.
        ssim: Best SSIM over the orientations, whole picture.
        masked_ssim: Best SSIM inside the image's mask; None without a usable mask.
        transform: The orientation of the reference that gave `ssim`.
        masked_transform: The orientation that gave `masked_ssim`.
        resized_from: Height and width of the reference if it had to be resized to the image's size, else None.
        hog_cosine: See `Evidence`; likewise those that follow, but `sscd_cosine`: None without SSCD.
        fired: The detectors beside SSIM that take the image for a copy of this reference.
    """

    reference_sha256: str
    rank: int
    ssim: float
    masked_ssim: float | None
    transform: str
    masked_transform: str | None
    resized_from: tuple[int, int] | None
    hog_cosine: float
    pdq_distance: int
    sift_inliers: int
    sscd_cosine: float | None
    alignment_strength: float
    aligned_ssim: float | None
    copied: tuple[str, ...]
    fired: tuple[str, ...]


@dataclass(frozen=True)
class AuditResult:
    """The verdict on one image and what it rests on.

    Attributes:
        label: The caller's name for the image.
        verdict: `fail` from a threshold of SSIM on or when a detector fires, `review` from the margin below the
            threshold on, else `pass`; `inconclusive` for an image that cannot be judged.
        reasons: Sentences for a person.
        nearest: The reference behind the verdict; None if inconclusive.
        scores: The highest against any reference of `ssim`, `masked_ssim`, `hog_cosine`, `sift_inliers`,
            `alignment_strength` and `sscd_cosine`, and the lowest `pdq_distance`, None if not computed; those of the
            detectors are of the candidates that they looked at closely. Also `contrast` (standard deviation, 0 to 255)
            and `mask_pixels`.
        thresholds: The policy's fields.
        matches: The nearest references: first those behind a verdict that is not `pass`, then by SSIM.
        versions: Library name -> version.
    """

    label: str
    verdict: Verdict
    reasons: list[str]
    nearest: ReferenceImage | None
    scores: dict[str, float | None]
    thresholds: dict[str, Any]
    matches: list[Match]
    versions: dict[str, str]


def audit(
    images: np.ndarray,
    references: Sequence[ReferenceImage],
    policy: Policy,
    *,
    masks: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    index: ReferenceIndex | None = None,
) -> list[AuditResult]:
    """Compare images with every reference in all eight orientations, and let the detectors look for other copies.

    Args:
        images: uint8 array of shape (n, H, W, 3). References of another size are resized to H x W.
        references: The corpus.
        policy: Thresholds and quality gate.
        masks: bool array of shape (n, H, W), True on the foreground of each image; all False where there is none.
        labels: A name for each image, `image 0` and so on by default.
        index: Of these references, in this order; made here when it is not given.

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
    kept = [i for i, reason in enumerate(gates) if reason is None]
    usable = _usable_masks(images, masks, policy)
    results = {i: _inconclusive(names[i], images[i], str(gates[i]), policy) for i in range(len(images)) if gates[i]}
    if kept:
        pixels = [reference.pixels for reference in references]
        searched = ReferenceIndex(pixels, embedders_of(policy)) if index is None else index
        if len(searched) != len(references):
            raise ValueError(f"index: holds {len(searched)} works, there are {len(references)} references")
        scores = pair_scores(
            images[kept], pixels, masks=usable[kept], orientations=len(ORIENTATIONS), listed=KEPT_MATCHES
        )
        for row, i in enumerate(kept):
            mask_pixels = None if masks is None else int(masks[i].sum())
            nearest = np.argsort(-scores.whole[row], kind="stable")[:KEPT_MATCHES]
            looked_at = [*nearest.tolist(), int(scores.masked[row].argmax())]
            evidence = gather(searched, pixels, images[i], policy.candidates, also=looked_at)
            for reference in {one.reference for one in evidence if fired(one, policy)} - set(looked_at):
                make_exact(scores, row, reference, images[i], pixels[reference], usable[i])
            results[i] = _judge(names[i], images[i], mask_pixels, scores, row, evidence, references, policy)
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


_SCORES = ("ssim", "masked_ssim", "hog_cosine", "pdq_distance", "sift_inliers", "alignment_strength", "sscd_cosine")


def _inconclusive(label: str, image: np.ndarray, reason: str, policy: Policy) -> AuditResult:
    scores: dict[str, float | None] = {**dict.fromkeys(_SCORES), "contrast": float(image.std()), "mask_pixels": None}
    return AuditResult(label, "inconclusive", [reason], None, scores, policy.model_dump(), [], library_versions())


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    said: str
    reference: int


def _judge(
    label: str,
    image: np.ndarray,
    mask_pixels: int | None,
    scores: PairScores,
    row: int,
    evidence: Sequence[Evidence],
    references: Sequence[ReferenceImage],
    policy: Policy,
) -> AuditResult:
    findings = [*_ssim_findings(scores, row, references, policy), *_detector_findings(evidence, references, policy)]
    verdict: Verdict = min((one.verdict for one in findings), key=_SEVERITY.index)
    reasons = [one.said for one in findings if one.verdict == verdict]
    has_mask = not np.isnan(scores.masked[row]).any()
    if mask_pixels is not None and not has_mask:
        reasons.append(f"the mask has too few pixels away from the edge for a score of its own ({mask_pixels} in all)")
    behind = [one.reference for one in findings if one.verdict == verdict != "pass"]
    order = list(dict.fromkeys([*behind, *np.argsort(-scores.whole[row], kind="stable").tolist()]))[:KEPT_MATCHES]
    found = {one.reference: one for one in evidence}
    matches = [
        _match(scores, row, i, rank, references[i], image, found[i], policy) for rank, i in enumerate(order, start=1)
    ]
    values: dict[str, float | None] = {
        "ssim": float(scores.whole[row].max()),
        "masked_ssim": float(scores.masked[row].max()) if has_mask else None,
        "hog_cosine": max(one.hog_cosine for one in evidence),
        "pdq_distance": min(one.pdq_distance for one in evidence),
        "sift_inliers": max(one.sift_inliers for one in evidence),
        "alignment_strength": max(one.alignment_strength for one in evidence),
        "sscd_cosine": max(
            (one.embedding_cosines[SSCD] for one in evidence if SSCD in one.embedding_cosines), default=None
        ),
        "contrast": float(image.std()),
        "mask_pixels": mask_pixels,
    }
    return AuditResult(
        label, verdict, reasons, references[order[0]], values, policy.model_dump(), matches, library_versions()
    )


_SEVERITY: tuple[Verdict, ...] = ("fail", "review", "pass")


def _ssim_findings(
    scores: PairScores, row: int, references: Sequence[ReferenceImage], policy: Policy
) -> list[_Finding]:
    """What the nearest reference says, over the whole picture and, if there is a mask, inside it."""
    kinds = [("SSIM", scores.whole[row], scores.whole_orientation[row], policy.ssim_threshold)]
    if not np.isnan(scores.masked[row]).any():
        masked = (scores.masked[row], scores.masked_orientation[row], policy.masked_ssim_threshold)
        kinds.append(("SSIM inside the mask", *masked))
    found = []
    for what, values, orientations, threshold in kinds:
        best = int(values.argmax())
        title = references[best].title
        found.append(_finding(what, values[best], orientations[best], title, threshold, policy.review_margin, best))
    return found


def _finding(
    what: str, score: float, orientation: int, title: str, threshold: float, margin: float, reference: int
) -> _Finding:
    turned = "" if orientation == 0 else f" ({ORIENTATIONS[orientation]})"
    said = f"{what} {score:.3f} to {title!r}{turned}"
    if score >= threshold:
        return _Finding("fail", f"{said} reaches the threshold {threshold:g}", reference)
    if score >= threshold - margin:
        return _Finding("review", f"{said} is within {margin:g} of the threshold {threshold:g}", reference)
    return _Finding("pass", f"{said} is the highest and stays below the threshold {threshold:g}", reference)


def _detector_findings(
    evidence: Sequence[Evidence], references: Sequence[ReferenceImage], policy: Policy
) -> list[_Finding]:
    """One finding per reference that a detector fires on; the one that most detectors agree on first."""
    found = [(one, fired(one, policy)) for one in evidence]
    found = sorted((pair for pair in found if pair[1]), key=lambda pair: (-len(pair[1]), -pair[0].sift_inliers))
    return [
        _Finding(
            "fail",
            f"a copy of {references[one.reference].title!r} ({', '.join(one.copied) or 'how is not known'}): "
            + "; ".join(detector.said for detector in detectors),
            one.reference,
        )
        for one, detectors in found
    ]


def _match(
    scores: PairScores,
    row: int,
    column: int,
    rank: int,
    reference: ReferenceImage,
    image: np.ndarray,
    evidence: Evidence,
    policy: Policy,
) -> Match:
    masked = float(scores.masked[row, column])
    height, width = reference.pixels.shape[:2]
    return Match(
        reference_sha256=reference.sha256,
        rank=rank,
        ssim=float(scores.whole[row, column]),
        masked_ssim=None if np.isnan(masked) else masked,
        transform=ORIENTATIONS[scores.whole_orientation[row, column]],
        masked_transform=None if np.isnan(masked) else ORIENTATIONS[scores.masked_orientation[row, column]],
        resized_from=None if (height, width) == image.shape[:2] else (height, width),
        hog_cosine=evidence.hog_cosine,
        pdq_distance=evidence.pdq_distance,
        sift_inliers=evidence.sift_inliers,
        sscd_cosine=evidence.embedding_cosines.get(SSCD),
        alignment_strength=evidence.alignment_strength,
        aligned_ssim=evidence.aligned_ssim,
        copied=evidence.copied,
        fired=tuple(detector.detector for detector in fired(evidence, policy)),
    )


def library_versions() -> dict[str, str]:
    """Name -> version of the installed libraries that scores and verdicts depend on."""
    return {library: version(library) for library in LIBRARIES}
