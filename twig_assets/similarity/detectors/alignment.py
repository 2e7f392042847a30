"""Lay a reference onto an image by their keypoints, and compare the two where they overlap.

Source: Lowe (2004), section 7, for the ratio test; Fischler and Bolles, "Random Sample Consensus", CACM 24(6), 1981.
"""

from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.detectors.local_features import Features
from twig_assets.similarity.structural.information import C1, C2, Moments, information_maps, information_score

RATIO = 0.85
REACH = 5.0
"""A match agrees with an alignment when it lands within this many pixels of the canvas."""
SCALES = (0.2, 5.0)
MIN_MATCHES = 3
MIN_OVERLAP = 0.05
"""Share of the image's canvas that the reference must cover for a score there."""
SMALL_OVERLAP = 0.1
"""Share of the image below which what is drawn there must be alike for the keypoints to count: of two words in one
typeface some letters are the same, and their keypoints fall into place."""
ALIKE_THERE = 0.6
"""Weighted SSIM in so small an overlap from which on it is."""
MIN_DEVIATION = 8.0
"""Standard deviation, of 255, below which an overlap counts as blank."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a reference lies on an image.

    Attributes:
        variant: Which of VARIANTS of the image it was laid on.
        inliers: One-to-one keypoint matches that agree with it.
        matrix: float64 (2, 3), or (3, 3) for a warp: from points of the reference's canvas to points of the variant's.
        ssim: Structural similarity of the two in grey where they overlap, the reference's brightness and contrast
            fitted to the image's; -1 where the overlap is too small or blank.
        iw_ssim: The same weighted by local information, see `information`; -1 likewise.
        covered: Share of the image that the reference covers, 0 to 1.
        used: Share of the reference that lies on the image, 0 to 1.
    """

    variant: str
    inliers: int
    matrix: np.ndarray
    ssim: float
    iw_ssim: float
    covered: float
    used: float

    @property
    def scale(self) -> float:
        """Size of the reference on the image's canvas over its size on its own."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def degrees(self) -> float:
        """By how much the reference is turned, counter-clockwise, -180 to 180."""
        return float(-np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    @property
    def counted(self) -> int:
        """The inliers that count: none where a small overlap shows something else, see SMALL_OVERLAP."""
        return 0 if self.covered < SMALL_OVERLAP and self.iw_ssim < ALIKE_THERE else self.inliers

    @property
    def strength(self) -> float:
        """Weighted SSIM times the square root of the inliers: how much speaks for this alignment, 0 and more.

        A few features fall into place by chance, as those of two words in one typeface do, but then what is drawn
        between them does not.
        """
        return float(np.sqrt(self.counted)) * max(self.iw_ssim, 0.0)


def align(image: Features, reference: Features, variant: str) -> Alignment | None:
    """Find the similarity transform that most one-to-one matches agree with.

    Args:
        image: Features of this variant of the image.
        reference: Features of the reference.
        variant: Name of the variant.

    Returns:
        The alignment, or None when fewer than MIN_MATCHES agree on one or it changes the size beyond SCALES.
    """
    import cv2

    ours, theirs = one_to_one(image, reference)
    if len(ours) < MIN_MATCHES:
        return None
    source, target = reference.points[theirs], image.points[ours]
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REACH, maxIters=1000, confidence=0.995
    )
    if matrix is None:
        return None
    agreeing = agreeing_matches(matrix, image, reference, ours, theirs)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    if agreeing.sum() < MIN_MATCHES or not SCALES[0] <= scale <= SCALES[1]:
        return None
    return Alignment(variant, int(agreeing.sum()), matrix, *overlap_ssim(image.grey, reference.grey, matrix))


def one_to_one(image: Features, reference: Features) -> tuple[np.ndarray, np.ndarray]:
    """Mutually nearest descriptors whose second nearest is clearly farther: two int arrays of indices."""
    if len(image) < 2 or len(reference) < 2:
        return np.zeros(0, int), np.zeros(0, int)
    likeness = image.descriptors @ reference.descriptors.T
    nearest = likeness.argmax(axis=1)
    mutual = likeness.argmax(axis=0)[nearest] == np.arange(len(image))
    top = np.partition(likeness, -2, axis=1)[:, -2:]
    distance = np.sqrt(np.maximum(2 - 2 * top, 1e-9))
    ours = np.flatnonzero(mutual & (distance[:, 1] < RATIO * distance[:, 0]))
    return ours, nearest[ours]


def agreeing_matches(
    matrix: np.ndarray, image: Features, reference: Features, ours: np.ndarray, theirs: np.ndarray
) -> np.ndarray:
    """Which matches land where they should, with the size and direction they should have; one per place."""
    landed = reference.points[theirs] @ matrix[:, :2].T + matrix[:, 2]
    near = np.linalg.norm(landed - image.points[ours], axis=1) <= REACH
    scale, angle = np.hypot(matrix[0, 0], matrix[1, 0]), np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    growth = image.sizes[ours] / (reference.sizes[theirs] * max(scale, 1e-6))
    turn = np.abs((image.angles[ours] - reference.angles[theirs] - angle + 180) % 360 - 180)
    agreeing = near & (growth > 0.5) & (growth < 2) & (turn < 30)
    return agreeing & distinct_places(image.points[ours])


def distinct_places(points: np.ndarray) -> np.ndarray:
    """The first of the points at each place: several keypoints there, one per direction, are one piece of evidence."""
    x, y = np.round(points).astype(np.int64).T
    _, first = np.unique((x << 32) + y, return_index=True)
    distinct = np.zeros(len(points), bool)
    distinct[first] = True
    return distinct


def homogeneous(matrix: np.ndarray) -> np.ndarray:
    """An alignment's matrix as float64 (3, 3)."""
    return matrix if len(matrix) == 3 else np.vstack([matrix, [0.0, 0.0, 1.0]])


def laid_on(reference: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a reference where it lies on an image.

    Args:
        reference: Array of shape (h', w') or (h', w', 3), on its canvas.
        matrix: float64 (2, 3) or (3, 3), from the reference's points to the image's.
        size: Height and width of the image's canvas.

    Returns:
        Array of shape `size` (or with 3 channels), and bool array of shape `size`: where the reference lies.
    """
    import cv2

    extent = (size[1], size[0])
    warp = cv2.warpAffine if len(matrix) == 2 else cv2.warpPerspective
    laid = warp(reference, matrix, extent, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = warp(np.ones(reference.shape[:2], np.uint8), matrix, extent, flags=cv2.INTER_NEAREST)
    return np.asarray(laid), np.asarray(inside) > 0


def overlap_ssim(image: np.ndarray, reference: np.ndarray, matrix: np.ndarray) -> tuple[float, float, float, float]:
    """Compare an image with a reference laid on it, where they overlap, at half the canvas's size.

    Args:
        image: uint8 (h, w), on the canvas.
        reference: uint8 (h', w'), on the canvas.
        matrix: float64 (2, 3) or (3, 3), from the reference's points to the image's.

    Returns:
        SSIM and weighted SSIM (-1 to 1; -1 where the overlap is too small or blank), the share of the image covered
        and the share of the reference used.
    """
    ours, theirs = _halved(image), _halved(reference)
    # Pixel centres: point p of the canvas is point (p + 0.5) / 2 - 0.5 at half its size.
    if len(matrix) == 2:
        small = np.column_stack([matrix[:, :2], (matrix[:, :2].sum(axis=1) * 0.5 + matrix[:, 2] - 0.5) / 2])
    else:
        halving = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
        small = halving @ matrix @ np.linalg.inv(halving)
    laid, inside = laid_on(theirs, small, ours.shape)
    area = float(inside.sum())
    covered = area / inside.size
    used = min(1.0, area / max(_area(matrix, reference.shape) / 4, 1.0))
    if covered < MIN_OVERLAP or ours[inside].std() < MIN_DEVIATION or laid[inside].std() < MIN_DEVIATION:
        return -1.0, -1.0, covered, used
    return *_ssim_inside(ours, _fitted(laid, ours, inside), inside), covered, used


def _area(matrix: np.ndarray, size: tuple[int, ...]) -> float:
    """The area that a canvas of a size takes where a matrix puts it, in pixels."""
    height, width = size[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ homogeneous(matrix).T
    x, y = (corners[:, :2] / corners[:, 2:]).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _halved(grey: np.ndarray) -> np.ndarray:
    import cv2

    size = (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _fitted(laid: np.ndarray, ours: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The reference with the mean and standard deviation that the image has there."""
    of_work, of_image = laid[inside], ours[inside]
    return (laid - of_work.mean()) * (of_image.std() / of_work.std()) + of_image.mean()


def _ssim_inside(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    import cv2

    def mean(x: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5))

    b = np.where(inside, b, a).astype(np.float32)
    ma, mb = mean(a), mean(b)
    ours = Moments(ma[..., None], np.maximum(mean(a * a) - ma * ma, 0)[..., None])
    theirs = Moments(mb[..., None], np.maximum(mean(b * b) - mb * mb, 0)[..., None])
    variances = ours.variance[..., 0] + theirs.variance[..., 0]
    luminance = (2 * ma * mb + C1) / (ma * ma + mb * mb + C1)
    full = luminance * (2 * (mean(a * b) - ma * mb) + C2) / (variances + C2)
    shared, possible = (part[inside].sum() for part in information_maps(ours, theirs, full[..., None]))
    return float(full[inside].mean()), information_score(shared, possible, int(inside.sum()), channels=1)
