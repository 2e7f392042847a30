"""What a picture with transparent parts may look like: on white, on black, and as its own shape."""

import cv2
import numpy as np
from PIL import Image

ON_WHITE, ON_BLACK = "on white", "on black"
WHITE_SHAPE, BLACK_SHAPE = "its own shape in white", "its own shape in black"
GROUNDS = (ON_WHITE, ON_BLACK, WHITE_SHAPE, BLACK_SHAPE)

BLANK_RANGE = 3
"""A picture whose channels each vary by no more grey levels is blank: a person sees one colour."""

_SOLID = 0.85
"""A shape that fills more of its convex hull is a mere cut-out (a card, a disc), which many pictures share."""


def on_ground(rgb: Image.Image, alpha: Image.Image | None, colour: tuple[int, int, int]) -> np.ndarray:
    """A picture laid on paper of one colour.

    Args:
        rgb: Its colours, of mode RGB.
        alpha: How opaque it is, of mode L; None if it is opaque.
        colour: The paper's colour.

    Returns:
        uint8 array of shape (h, w, 3).
    """
    if alpha is None:
        return np.asarray(rgb)
    paper = Image.new("RGB", rgb.size, colour)
    paper.paste(rgb, mask=alpha)
    return np.asarray(paper)


def grounds(rgb: Image.Image, alpha: Image.Image | None) -> list[tuple[str, np.ndarray]]:
    """Everything that a picture may look like.

    Args:
        rgb: Its colours, of mode RGB.
        alpha: How opaque it is, of mode L; None if it is opaque.

    Returns:
        Name of the ground -> uint8 array of shape (h, w, 3). Of an opaque picture it is the picture itself, without a
        name. The shape is among them if it is a drawing of its own, as of a logo, in both polarities.
    """
    if alpha is None:
        return [("", np.asarray(rgb))]
    seen = [(ON_WHITE, on_ground(rgb, alpha, (255, 255, 255))), (ON_BLACK, on_ground(rgb, alpha, (0, 0, 0)))]
    shape = np.asarray(alpha)
    if is_drawing(shape):
        seen += [
            (WHITE_SHAPE, np.repeat(shape[..., None], 3, -1)),
            (BLACK_SHAPE, np.repeat(255 - shape[..., None], 3, -1)),
        ]
    return seen


def is_drawing(shape: np.ndarray) -> bool:
    """Whether a shape shows something by itself, as a logo's does, and is no mere cut-out.

    Args:
        shape: How opaque each pixel is, uint8 of shape (h, w).
    """
    opaque = (shape > 127).astype(np.uint8)
    area = int(opaque.sum())
    if not 0 < area < opaque.size:
        return False
    points = cv2.findNonZero(opaque)
    # Pixels are squares: the hull of their centres is too small by half a pixel all around.
    hull = cv2.convexHull(points)
    covered = cv2.contourArea(hull) + cv2.arcLength(hull, closed=True) / 2 + 1
    return bool(area < _SOLID * covered)


def is_blank(pixels: np.ndarray) -> bool:
    """Whether a picture, uint8 (h, w, 3), shows one colour only."""
    step = max(1, min(pixels.shape[:2]) // 64)
    # Most pictures differ in a few places already.
    return not _varies(pixels[::step, ::step]) and not _varies(pixels)


def _varies(pixels: np.ndarray) -> bool:
    channels = (pixels[..., channel] for channel in range(pixels.shape[-1]))
    return any(int(channel.max()) - int(channel.min()) > BLANK_RANGE for channel in channels)
