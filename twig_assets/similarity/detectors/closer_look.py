"""A second look at the part of an image where a work seems to lie, or at the part of a work that an image shows.

Pasted at half its size, or as one tile of four, a work keeps few of the keypoints of the whole picture. Enlarged, that
part has as many as the work itself. The same holds the other way round for a work of which an image shows a quarter.
"""

import numpy as np

from twig_assets.similarity.detectors.alignment import Alignment, align, homogeneous
from twig_assets.similarity.detectors.local_features import CANVAS, Features, local_features
from twig_assets.similarity.detectors.warps import warped

SMALLER, LARGER = 0.8, 1.3
"""Scales of a work on the image below and above which a part is enlarged."""
MARGIN = 0.08
"""How much more than the part is looked at, as a share of its sides."""
_LEAST_SIDE = 24


def closer(picture: np.ndarray, image: Features, reference: Features, first: Alignment) -> Alignment | None:
    """Align again, with the part that matters enlarged.

    Args:
        picture: uint8 (H, W, 3): the image, as it is.
        image: Features of the variant of the image that the work was laid on.
        reference: The work's features.
        first: How the work seems to lie.

    Returns:
        The alignment found then, between the two whole canvases; None where nothing is to be enlarged or found.
    """
    if first.scale < SMALLER:
        return _on_part_of_image(picture, image, reference, first)
    if first.scale > LARGER:
        return _of_part_of_work(image, reference, first)
    return None


def _on_part_of_image(picture: np.ndarray, image: Features, reference: Features, first: Alignment) -> Alignment | None:
    height, width = reference.grey.shape
    box = _box(homogeneous(first.matrix), (height, width), image.grey.shape)
    if box is None:
        return None
    seen = picture[:, ::-1] if "mirrored" in first.variant else picture
    scale = max(seen.shape[:2]) / CANVAS
    x, y, right, lower = (round(side * scale) for side in box)
    part = seen[y:lower, x:right]
    if min(part.shape[:2]) < _LEAST_SIDE:
        return None
    features = local_features(np.ascontiguousarray(255 - part if "inverted" in first.variant else part))
    found = _stronger(features, reference, first.variant)
    if found is None:
        return None
    # From the part's canvas to the image's.
    back = np.diag([max(part.shape[:2]) / CANVAS / scale] * 2 + [1.0])
    back[:2, 2] = x / scale, y / scale
    share = part.shape[0] * part.shape[1] / (seen.shape[0] * seen.shape[1])
    matrix = back @ homogeneous(found.matrix)
    return Alignment(found.variant, found.inliers, matrix, found.ssim, found.iw_ssim, found.covered * share, found.used)


def _of_part_of_work(image: Features, reference: Features, first: Alignment) -> Alignment | None:
    box = _box(np.linalg.inv(homogeneous(first.matrix)), image.grey.shape, reference.grey.shape)
    if box is None:
        return None
    x, y, right, lower = (round(side) for side in box)
    part = reference.grey[y:lower, x:right]
    if min(part.shape[:2]) < _LEAST_SIDE:
        return None
    features = local_features(np.repeat(part[..., None], 3, axis=2))
    found = _stronger(image, features, first.variant)
    if found is None:
        return None
    # From the work's canvas to the part's.
    there = np.diag([CANVAS / max(part.shape)] * 2 + [1.0])
    there[:2, 2] = -there[0, 0] * np.array([x, y])
    share = part.size / reference.grey.size
    matrix = homogeneous(found.matrix) @ there
    return Alignment(found.variant, found.inliers, matrix, found.ssim, found.iw_ssim, found.covered, found.used * share)


def _stronger(image: Features, reference: Features, variant: str) -> Alignment | None:
    tried = (align(image, reference, variant), warped(image, reference, variant))
    return max((found for found in tried if found), key=lambda found: found.strength, default=None)


def _box(matrix: np.ndarray, size: tuple[int, ...], onto: tuple[int, ...]) -> tuple[float, float, float, float] | None:
    """Left, upper, right and lower end of where a canvas of a size lies on another, with a margin; None if outside."""
    height, width = size[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ matrix.T
    points = corners[:, :2] / corners[:, 2:]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * (high - low)
    (left, upper), (right, lower) = np.maximum(low - margin, 0), np.minimum(high + margin, [onto[1], onto[0]])
    return (left, upper, right, lower) if right > left and lower > upper else None
