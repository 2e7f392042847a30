"""Histograms of oriented gradients of a whole picture: what lies where, whatever its colours.

Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; unsigned gradients, so an
inverted picture has the same descriptor.
"""

from functools import cache
from typing import Any

import numpy as np

from twig_assets.similarity.orientations import ORIENTATIONS, oriented

SIDE = 64
"""Pictures are squeezed to this many pixels on either side."""

_DIRECTIONS = 8

LENGTH = 7 * 7 * 4 * _DIRECTIONS
"""Numbers in a descriptor: 7 x 7 overlapping blocks of 2 x 2 cells with 8 directions each."""

_LEAST_LEFT = 0.25
"""Share of a picture's gradients, as a norm, that must differ from place to place for a descriptor of full length."""


def hog(picture: np.ndarray) -> np.ndarray:
    """The descriptor of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3).

    Returns:
        float16 array of shape (LENGTH,) and unit length; shorter where nearly all gradients have one direction all over
        the picture, and zeros for a mere gradient or one colour.
    """
    import cv2

    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    blocks = np.asarray(_descriptor().compute(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.float32).reshape(-1, 32)
    # Without its mean, a block shows which directions prevail; with it, all textured pictures look alike.
    directions = (blocks - blocks.mean(axis=1, keepdims=True)).reshape(len(blocks), -1, _DIRECTIONS)
    # What prevails all over the picture says nothing about what lies where: lines of text and a sky are alike in it.
    local = directions - directions.mean(axis=(0, 1))
    length = max(float(np.linalg.norm(local)), _LEAST_LEFT * float(np.linalg.norm(directions)), 1e-6)
    return (local.ravel() / length).astype(np.float16)


def hog_orientations(picture: np.ndarray) -> np.ndarray:
    """Descriptors of the eight flips and quarter turns: float16 (8, LENGTH), in the order of ORIENTATIONS."""
    return np.stack([hog(oriented(picture, name)) for name in ORIENTATIONS])


@cache
def _descriptor() -> Any:
    import cv2

    # Window, block, stride, cell, directions, derivative, sigma (-1: automatic), norm, its clip, gamma, levels.
    return cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), _DIRECTIONS, 1, -1, 0, 0.2, False, 64)
