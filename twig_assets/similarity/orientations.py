"""The eight flips and quarter turns of a picture."""

import numpy as np
from PIL import Image

ORIENTATIONS = (
    "identity",
    "rotate-90",
    "rotate-180",
    "rotate-270",
    "mirror",
    "mirror-rotate-90",
    "mirror-rotate-180",
    "mirror-rotate-270",
)


def oriented(pixels: np.ndarray, orientation: str) -> np.ndarray:
    """A picture mirrored left to right if the orientation says so, then turned counter-clockwise.

    Args:
        pixels: Array of shape (H, W, ...).
        orientation: One of ORIENTATIONS.

    Returns:
        Array of shape (H, W, ...), or (W, H, ...) after a quarter turn.
    """
    index = ORIENTATIONS.index(orientation)
    if pixels.dtype == np.uint8:
        return _oriented_by_cv2(pixels, index)
    mirrored = pixels[:, ::-1] if index >= 4 else pixels
    return np.ascontiguousarray(np.rot90(mirrored, index % 4))


def _oriented_by_cv2(pixels: np.ndarray, index: int) -> np.ndarray:
    """The same for uint8, where OpenCV moves whole blocks: a fifth of the time."""
    import cv2

    turned = np.ascontiguousarray(pixels)
    if index in (1, 3, 5, 7):
        turned = cv2.transpose(turned)
    if (flip := (None, 0, -1, 1, 1, None, 0, -1)[index]) is not None:
        turned = cv2.flip(turned, flip)
    return turned.reshape(*turned.shape[:2], *pixels.shape[2:])


def oriented_stack(pixels: np.ndarray, height: int, width: int, count: int) -> np.ndarray:
    """The first `count` orientations of a picture, each at the same size.

    A picture of another size is turned first and then resized with Pillow's Lanczos filter, so that a copy laid on
    its side is compared upright; one of the right size is not resampled.

    Args:
        pixels: uint8 array of shape (h, w, 3) or (h, w, 1); or a mask, bool of shape (h, w), of which the nearest
            pixel is taken.
        height: Wanted height in pixels.
        width: Wanted width in pixels.
        count: How many of ORIENTATIONS, 1 or 8.

    Returns:
        Array of shape (count, height, width, ...).
    """
    turned = (oriented(pixels, name) for name in ORIENTATIONS[:count])
    return np.stack([resized(picture, height, width) for picture in turned])


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture, or a mask, at another size; see `oriented_stack`. The same array where it has that size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.dtype == np.bool_:
        small = Image.fromarray(pixels.astype(np.uint8))
        return np.asarray(small.resize((width, height), Image.Resampling.NEAREST)).astype(bool)
    flat = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
    resized = Image.fromarray(flat).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(height, width, *pixels.shape[2:])
