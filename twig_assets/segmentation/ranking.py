"""Which of an image's masks are its object: background is set aside, everything else gets a score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from twig_assets.segmentation.result import RankedMask
from twig_assets.settings.segmentation import SegmentationSettings

_USUAL_AREA = 0.05
_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask as the segmenter gave it: bool (H, W), its predicted IoU and its stability."""

    mask: np.ndarray
    predicted_iou: float
    stability: float


def rank(candidates: Sequence[Candidate], settings: SegmentationSettings) -> list[RankedMask]:
    """Distinguish objects from background.

    A mask along most of the image's edge is background. What no background mask covers is considered as well: it is
    often the object, where the segmenter was sure of the ground and unsure of what stands on it.

    Returns:
        All masks but duplicates and specks, the most likely object first.
    """
    distinct = without_duplicates(candidates, settings.duplicate_iou)
    behind = [c for c in distinct if border_contact(c.mask) >= settings.background_border]
    objects = [c for c in distinct if border_contact(c.mask) < settings.background_border]
    objects = without_duplicates([*objects, *complement(behind, settings)], settings.duplicate_iou)
    ground = np.any([c.mask for c in behind], axis=0) if behind else np.zeros((), bool)
    ranked = [ranked_mask(c, 0.0, settings) for c in behind]
    ranked += [
        ranked_mask(c, foreground_score(c, ground), settings) for c in objects if c.mask.mean() >= settings.min_area
    ]
    return sorted(ranked, key=lambda r: -r.score)


def without_duplicates(candidates: Sequence[Candidate], limit: float) -> list[Candidate]:
    """The candidates, the best rated of those that overlap by an IoU above `limit`, best first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: -c.predicted_iou * c.stability):
        if candidate.mask.any() and all(_iou(candidate.mask, other.mask) <= limit for other in kept):
            kept.append(candidate)
    return kept


def complement(behind: Sequence[Candidate], settings: SegmentationSettings) -> list[Candidate]:
    """The separate parts that background masks leave over, without thin seams along their edges."""
    if not behind:
        return []
    left = ndimage.binary_opening(~np.any([c.mask for c in behind], axis=0), _EIGHT_NEIGHBOURS)
    parts, count = ndimage.label(left, _EIGHT_NEIGHBOURS)
    rating = min(c.predicted_iou for c in behind), min(c.stability for c in behind)
    candidates = (Candidate(parts == i, *rating) for i in range(1, count + 1))
    return [
        c
        for c in candidates
        if c.mask.mean() >= settings.min_area and border_contact(c.mask) < settings.background_border
    ]


def border_contact(mask: np.ndarray) -> float:
    """Share of the image's outermost pixels that a mask covers, 0 to 1."""
    return float(np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]]).mean())


def foreground_score(candidate: Candidate, ground: np.ndarray) -> float:
    """How likely a mask is an object in the foreground.

    The product of the model's own rating and four shares: how much of it lies outside the ground, how little of the
    image's edge it covers, how central it is (a corner still counts half) and how large (small ones count less).

    Args:
        candidate: The mask.
        ground: bool array of shape (H, W), the union of the background masks; or of shape () when there is none.
    """
    mask = candidate.mask
    height, width = mask.shape
    outside = 1 - float((mask & ground).sum() / mask.sum())
    y, x = (float(v.mean()) for v in np.nonzero(mask))
    off_centre = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) / np.hypot(0.5, 0.5)
    size = min(1.0, float(mask.mean()) / _USUAL_AREA) ** 0.25
    rating = min(1.0, max(0.0, candidate.predicted_iou))
    return float(rating * outside * (1 - border_contact(mask)) * (1 - off_centre / 2) * size)


def ranked_mask(candidate: Candidate, score: float, settings: SegmentationSettings) -> RankedMask:
    """A mask, not empty, with its box, its area and what the score makes of it."""
    mask = candidate.mask
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    foreground = score > 0 and score >= settings.min_score
    area = float(mask.mean())
    return RankedMask(mask, box, area, candidate.predicted_iou, candidate.stability, score, foreground)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
