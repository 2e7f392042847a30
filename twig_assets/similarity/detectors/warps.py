"""Lay a reference onto an image by more than a similarity transform: sheared, stretched, or seen aslant.

Six or eight free numbers fit chance better than four do, so a warp has to keep what a photograph of a page keeps: it is
no mirror image, does not fold, does not squeeze any part to a line, and rests on matches from all over the work.

Source: Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2003, sections 2.4 and 4.7.
"""

import numpy as np

from twig_assets.similarity.detectors.alignment import (
    REACH,
    SCALES,
    Alignment,
    distinct_places,
    one_to_one,
    overlap_ssim,
)
from twig_assets.similarity.detectors.local_features import CANVAS, Features

LEAST_MATCHES = {"affine": 6, "homography": 8}
LEAST_SPREAD = 0.04 * CANVAS
"""Standard deviation, in pixels, of the agreeing points across their narrowest direction."""
MOST_SQUEEZED = 4.0
"""How much longer one direction may become than another, anywhere on the work."""
MOST_UNEVEN = 30.0
"""How much larger one corner's surroundings may become than another's."""


def warped(image: Features, reference: Features, variant: str) -> Alignment | None:
    """The strongest affine or perspective alignment of a reference with a variant of an image.

    Args:
        image: Features of this variant.
        reference: Features of the reference.
        variant: Its name.

    Returns:
        None when there are too few matches, or none that is possible as a view of a flat picture.
    """
    ours, theirs = one_to_one(image, reference)
    found = []
    for kind, least in LEAST_MATCHES.items():
        if len(ours) < least:
            continue
        matrix = _fitted(kind, reference.points[theirs], image.points[ours])
        if matrix is None or not possible(matrix, reference.grey.shape):
            continue
        agreeing = _agreeing(matrix, image, reference, ours, theirs)
        if agreeing.sum() < least or _spread(reference.points[theirs[agreeing]]) < LEAST_SPREAD:
            continue
        found.append(Alignment(variant, int(agreeing.sum()), matrix, *overlap_ssim(image.grey, reference.grey, matrix)))
    return max(found, key=lambda alignment: alignment.strength, default=None)


def possible(matrix: np.ndarray, size: tuple[int, ...]) -> bool:
    """Whether a warp is one that a flat picture can be seen in.

    Args:
        matrix: float64 (3, 3), from the picture's points.
        size: The picture's height and width.
    """
    height, width = size[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [width / 2, height / 2]], np.float64)
    if (np.column_stack([corners, np.ones(5)]) @ matrix[2] <= 0.1).any():
        return False
    local = jacobians(matrix, corners)
    areas = np.linalg.det(local)
    if (areas < SCALES[0] ** 2).any() or (areas > SCALES[1] ** 2).any() or areas.max() > MOST_UNEVEN * areas.min():
        return False
    lengths = np.linalg.svd(local, compute_uv=False)
    return bool((lengths[:, 0] <= MOST_SQUEEZED * lengths[:, 1]).all())


def jacobians(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What a warp does to a small neighbourhood of each point: float64 (n, 2, 2)."""
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    depth = homogeneous[:, 2, None, None]
    moved = homogeneous[:, :2] / homogeneous[:, 2:]
    return np.asarray((matrix[None, :2, :2] - moved[:, :, None] * matrix[None, None, 2, :2]) / depth)


def _fitted(kind: str, source: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    import cv2

    cv2.setRNGSeed(0)
    if kind == "homography":
        matrix, _ = cv2.findHomography(source, target, cv2.RANSAC, REACH, maxIters=1000, confidence=0.995)
        return None if matrix is None else np.asarray(matrix, np.float64)
    matrix, _ = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REACH, maxIters=1000, confidence=0.995
    )
    return None if matrix is None else np.vstack([matrix, [0.0, 0.0, 1.0]])


def _agreeing(
    matrix: np.ndarray, image: Features, reference: Features, ours: np.ndarray, theirs: np.ndarray
) -> np.ndarray:
    """Which matches land where they should, with the size and direction they have there; one per place."""
    points = reference.points[theirs].astype(np.float64)
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    landed = homogeneous[:, :2] / homogeneous[:, 2:]
    near = np.linalg.norm(landed - image.points[ours], axis=1) <= REACH
    local = jacobians(matrix, points)
    growth = image.sizes[ours] / (reference.sizes[theirs] * np.sqrt(np.maximum(np.linalg.det(local), 1e-6)))
    radians = np.radians(reference.angles[theirs])
    along = np.einsum("nij,nj->ni", local, np.column_stack([np.cos(radians), np.sin(radians)]))
    turned = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
    turn = np.abs((image.angles[ours] - turned + 180) % 360 - 180)
    return near & (growth > 0.5) & (growth < 2) & (turn < 30) & distinct_places(image.points[ours])


def _spread(points: np.ndarray) -> float:
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points.T))[0], 0.0)))
