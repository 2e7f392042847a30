"""Find the object of each image with Segment Anything."""

import numpy as np
from scipy import ndimage

from twig_assets.generation.threads import enough_threads
from twig_assets.segmentation.automatic import AutomaticMasks
from twig_assets.segmentation.predictor import Segmenter
from twig_assets.segmentation.ranking import rank
from twig_assets.segmentation.result import Outcome, RankedMask, Segmentation
from twig_assets.settings.segmentation import SegmentationSettings

MIN_SIDE = 8
MAX_ASPECT = 8
_BLUR_SHARE = 0.03


def segment(images: np.ndarray, sam: Segmenter, settings: SegmentationSettings | None = None) -> list[Segmentation]:
    """Segment images one by one.

    Args:
        images: uint8 array of shape (n, H, W, 3), RGB, H and W at least 8 and at most 8 to 1.
        sam: A model that `load_segmenter` opened.
        settings: The defaults when None.

    Returns:
        One result per image, in order.

    Raises:
        ValueError: If `images` has another shape or type.
    """
    settings = settings or SegmentationSettings()
    check_images(images)
    with enough_threads(sam):
        automatic = AutomaticMasks(sam, images.shape[1:3], settings)
        return [from_ranked(image, rank(automatic.of(image), settings), settings) for image in images]


def check_images(images: np.ndarray) -> None:
    """Raise ValueError, with what to give instead, unless images are as `segment` takes them."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        given = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"images: got {given}, give a uint8 array of shape (n, height, width, 3)")
    height, width = images.shape[1:3]
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"images: {width} x {height} pixels are too few, give at least {MIN_SIDE} x {MIN_SIDE}")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ValueError(f"images: {width} x {height} pixels are too narrow, give at most {MAX_ASPECT} to 1")


def from_ranked(image: np.ndarray, ranked: list[RankedMask], settings: SegmentationSettings) -> Segmentation:
    """The segmentation that the foreground masks of an image, uint8 (H, W, 3), make together."""
    chosen = [r.mask for r in ranked if r.foreground]
    mask = cleaned(np.any(chosen, axis=0), settings) if chosen else np.zeros(image.shape[:2], bool)
    outcome = _outcome(image, mask, ranked, settings)
    if outcome == "full":
        mask = np.ones_like(mask)
    return Segmentation(outcome, mask, feathered(mask, settings.feather), float(mask.mean()), ranked)


def _outcome(image: np.ndarray, mask: np.ndarray, ranked: list[RankedMask], settings: SegmentationSettings) -> Outcome:
    if mask.any():
        return "full" if mask.mean() >= settings.max_area else "ok"
    # One mask over everything is either bare ground or an object seen so close that no ground shows.
    covered = any(r.area >= settings.max_area for r in ranked)
    return "full" if covered and fine_detail(image) >= settings.plain_detail else "empty"


def cleaned(mask: np.ndarray, settings: SegmentationSettings) -> np.ndarray:
    """A bool mask (H, W) with its gaps filled, if wanted, and without parts below the smallest area."""
    whole = ndimage.binary_fill_holes(mask) if settings.fill_holes else mask
    parts, count = ndimage.label(whole, np.ones((3, 3), bool))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    large = sizes >= settings.min_area * mask.size
    large[0] = False
    return large[parts]


def feathered(mask: np.ndarray, feather: float) -> np.ndarray:
    """A bool mask (H, W) as float32 with an edge that falls from 1 to 0, half of it inside and half outside.

    Args:
        mask: The mask.
        feather: Width of the edge as a share of the shorter side; 0 for a hard edge.
    """
    width = feather * min(mask.shape)
    if width == 0 or mask.all() or not mask.any():
        return mask.astype(np.float32)
    # Pixel centres lie half a pixel from the edge, on both sides.
    signed = np.where(mask, ndimage.distance_transform_edt(mask) - 0.5, 0.5 - ndimage.distance_transform_edt(~mask))
    return np.clip(signed / width + 0.5, 0, 1).astype(np.float32)


def fine_detail(image: np.ndarray) -> float:
    """Standard deviation, in grey levels of 0 to 255, of what a blur takes away from a uint8 image (H, W, 3)."""
    pixels = image.astype(np.float32)
    sigma = max(1.0, _BLUR_SHARE * min(image.shape[:2]))
    return float((pixels - ndimage.gaussian_filter(pixels, (sigma, sigma, 0))).std())
