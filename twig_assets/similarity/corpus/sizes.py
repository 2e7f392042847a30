"""Pictures made smaller before they are compared, always by Lanczos."""

import numpy as np
from PIL import Image

WORK_SIDE = 2048
"""Works with a longer side, in pixels, are reduced to it before they are resized to an image's size."""


def squeezed(pixels: np.ndarray, side: int) -> np.ndarray:
    """A picture at side x side pixels, its proportions given up (Lanczos): uint8 (side, side, 3)."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


def reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    """A picture whose longer side is at most `longest` pixels, in the same proportions (Lanczos)."""
    height, width = pixels.shape[:2]
    size = reduced_size(width, height, longest)
    if size == (width, height):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def reduced_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height that `reduced` gives, at least 1."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
