"""Audit images against protected works: scores, the nearest works and a verdict.

A verdict is an opinion about similarity, not about infringement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import numpy as np

from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.pair_scores import PairScores, pair_scores
from twig_assets.similarity.pictures import BORDER
from twig_assets.similarity.policy import Policy
from twig_assets.similarity.references import EmptyCorpusError, ReferenceImage

Verdict = Literal["pass", "review", "fail", "inconclusive"]
KEPT_MATCHES = 5
LIBRARIES = ("scikit-image", "numpy", "scipy", "pillow")


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
    """

    reference_sha256: str
    rank: int
    ssim: float
    masked_ssim: float | None
    transform: str
    masked_transform: str | None
    resized_from: tuple[int, int] | None


@dataclass(frozen=True)
class AuditResult:
    """The verdict on one image and what it rests on.

    Attributes:
        label: The caller's name for the image.
        verdict: `fail` from a threshold on, `review` from the margin below it on, else `pass`; `inconclusive` for an
            image that cannot be judged.
        reasons: Sentences for a person.
        nearest: The reference behind the verdict; None if inconclusive.
        scores: `ssim` and `masked_ssim` (the highest against any reference, None if not computed), `contrast`
            (standard deviation, 0 to 255) and `mask_pixels`.
        thresholds: The policy's fields.
        matches: The nearest references, by SSIM; the one behind a verdict that the masked score alone gives is first.
        versions: Library name -> version.
    """

    label: str
    verdict: Verdict
    reasons: list[str]
    nearest: ReferenceImage | None
    scores: dict[str, float | None]
    thresholds: dict[str, float]
    matches: list[Match]
    versions: dict[str, str]


def audit(
    images: np.ndarray,
    references: Sequence[ReferenceImage],
    policy: Policy,
    *,
    masks: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
) -> list[AuditResult]:
    """Compare images with every reference in all eight orientations.

    Args:
        images: uint8 array of shape (n, H, W, 3). References of another size are resized to H x W.
        references: The corpus.
        policy: Thresholds and quality gate.
        masks: bool array of shape (n, H, W), True on the foreground of each image; all False where there is none.
        labels: A name for each image, `image 0` and so on by default.

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
        scores = pair_scores(
            images[kept], pixels, masks=usable[kept], orientations=len(ORIENTATIONS), listed=KEPT_MATCHES
        )
        for row, i in enumerate(kept):
            mask_pixels = None if masks is None else int(masks[i].sum())
            results[i] = _judge(names[i], images[i], mask_pixels, scores, row, references, policy)
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
    scores: dict[str, float | None] = {"ssim": None, "masked_ssim": None, "contrast": float(image.std())}
    scores["mask_pixels"] = None
    return AuditResult(label, "inconclusive", [reason], None, scores, policy.model_dump(), [], _versions())


def _judge(
    label: str,
    image: np.ndarray,
    mask_pixels: int | None,
    scores: PairScores,
    row: int,
    references: Sequence[ReferenceImage],
    policy: Policy,
) -> AuditResult:
    whole, masked = scores.whole[row], scores.masked[row]
    best, best_masked = int(whole.argmax()), None if np.isnan(masked).any() else int(masked.argmax())
    margin, reference = policy.review_margin, references[best]
    orientation = scores.whole_orientation[row, best]
    findings = [_finding("SSIM", whole[best], orientation, reference, policy.ssim_threshold, margin)]
    if best_masked is not None:
        orientation, reference = scores.masked_orientation[row, best_masked], references[best_masked]
        limit = policy.masked_ssim_threshold
        findings.append(_finding("SSIM inside the mask", masked[best_masked], orientation, reference, limit, margin))
    verdict: Verdict = min((found for found, _ in findings), key=_SEVERITY.index)
    reasons = [reason for found, reason in findings if found == verdict]
    if mask_pixels is not None and best_masked is None:
        reasons.append(f"the mask has too few pixels away from the edge for a score of its own ({mask_pixels} in all)")
    order = [int(i) for i in np.argsort(-whole, kind="stable")]
    if best_masked is not None and findings[0][0] != verdict:
        order = [best_masked, *(i for i in order if i != best_masked)]
    matches = [_match(scores, row, i, rank, references[i], image) for rank, i in enumerate(order[:KEPT_MATCHES], 1)]
    values: dict[str, float | None] = {
        "ssim": float(whole[best]),
        "masked_ssim": None if best_masked is None else float(masked[best_masked]),
        "contrast": float(image.std()),
        "mask_pixels": mask_pixels,
    }
    return AuditResult(label, verdict, reasons, references[order[0]], values, policy.model_dump(), matches, _versions())


_SEVERITY: tuple[Verdict, ...] = ("fail", "review", "pass")


def _finding(
    what: str, score: float, orientation: int, reference: ReferenceImage, threshold: float, margin: float
) -> tuple[Verdict, str]:
    turned = "" if orientation == 0 else f" ({ORIENTATIONS[orientation]})"
    said = f"{what} {score:.3f} to {reference.title!r}{turned}"
    if score >= threshold:
        return "fail", f"{said} reaches the threshold {threshold:g}"
    if score >= threshold - margin:
        return "review", f"{said} is within {margin:g} of the threshold {threshold:g}"
    return "pass", f"{said} is the highest and stays below the threshold {threshold:g}"


def _match(scores: PairScores, row: int, column: int, rank: int, reference: ReferenceImage, image: np.ndarray) -> Match:
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
    )


def _versions() -> dict[str, str]:
    return {library: version(library) for library in LIBRARIES}
