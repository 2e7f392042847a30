"""Where the strongest edges of a whole picture run: what is left of it in a line drawing or a print.

Filters, halftone and dithering change every tone and most gradients, but the outlines stay. So a picture is described
by its strongest edges alone, by direction, on a coarse grid, together with its histograms of oriented gradients: the
first forgives more, the second distinguishes better. What has few edges, or edges that go on all along a row or a
column, such as a word, a table or stripes, says little about what is drawn, and its descriptor is shortened by that.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.gradient_histograms import LENGTH as HOG_LENGTH
from twig_assets.similarity.detectors.gradient_histograms import hog, hog_orientations
from twig_assets.similarity.detectors.plainness import shortened
from twig_assets.similarity.orientations import ORIENTATIONS

SIDE = 128
GRID = 16
DIRECTIONS = 6
LENGTH = HOG_LENGTH + DIRECTIONS * GRID * GRID

_STRONGEST = 0.2
"""Share of the pixels whose gradient counts as strong."""
_LEAST_GRADIENT = 2.0
_LEAST_LEFT = 0.5
"""Share of the edges, as a norm, that must be left without what goes on along rows and columns."""
_ENOUGH_CELLS = 120.0
"""Cells of the grid, of 256, over which edges must be spread for a descriptor of full length."""

_LEFT = 0.7
"""Length of the descriptor of a plain work. Rings with strokes in them reach 0.88, and so do stripes."""

EdgesCosine = Annotated[float, Field(gt=0, le=1)]


class Edges(Detector):
    """How alike the outlines of two whole pictures are."""

    name = "edges"
    title = "outlines"
    score = "edges_cosine"
    unit = "mean of two cosines, the best of eight orientations, -1 to 1; less for plain works"
    direction = ">="
    field = PolicyField("edges_cosine_at_least", EdgesCosine)
    descriptor = "edges"
    search = "cosine"

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """See `edges`; shorter for a plain work, see `plainness`."""
        return shortened(edges(picture), picture, _LEFT)

    def describe_image(self, picture: np.ndarray) -> np.ndarray:
        """See `edges_orientations`."""
        return edges_orientations(picture)

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        """The highest score over the orientations."""
        return float((image.astype(np.float32) @ reference.astype(np.float32)).max())

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The score beside the threshold."""
        return f"outlines alike by {scores[self.score]:.3f} reach {threshold:g}"


def edges(picture: np.ndarray) -> np.ndarray:
    """The descriptor of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3).

    Returns:
        float16 array of shape (LENGTH,) and at most unit length.
    """
    return _joined(hog(picture), edge_channels(picture))


def edges_orientations(picture: np.ndarray) -> np.ndarray:
    """Descriptors of the eight flips and quarter turns: float16 (8, LENGTH), in the order of ORIENTATIONS."""
    channels, gradients = edge_channels(picture), hog_orientations(picture)
    return np.stack([_joined(gradients[i], _oriented(channels, i)) for i in range(len(ORIENTATIONS))])


def edge_channels(picture: np.ndarray) -> np.ndarray:
    """How much of the strong edges runs in each direction in each cell: float32 (DIRECTIONS, GRID, GRID), 0 to 1."""
    import cv2

    how = cv2.INTER_AREA if max(picture.shape[:2]) > SIDE else cv2.INTER_LINEAR
    small = cv2.cvtColor(cv2.resize(picture, (SIDE, SIDE), interpolation=how), cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.5)
    dx, dy = (cv2.Scharr(grey, cv2.CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1)))
    size, angle = cv2.cartToPolar(dx, dy)
    strong = max(float(np.quantile(size, 1 - _STRONGEST)), _LEAST_GRADIENT)
    weight = np.clip(size / strong - 0.5, 0, 1)
    channels = [weight * np.clip(np.cos(2 * (angle - k * np.pi / DIRECTIONS)), 0, 1) ** 2 for k in range(DIRECTIONS)]
    blurred = (cv2.GaussianBlur(channel, (0, 0), SIDE / GRID / 2) for channel in channels)
    return np.stack([cv2.resize(channel, (GRID, GRID), interpolation=cv2.INTER_AREA) for channel in blurred])


def _oriented(channels: np.ndarray, orientation: int) -> np.ndarray:
    """The channels of an oriented picture, see `oriented`, from those of the picture itself."""
    if orientation >= 4:
        channels = channels[-np.arange(DIRECTIONS) % DIRECTIONS, :, ::-1]
    turns = orientation % 4
    return np.rot90(np.roll(channels, turns % 2 * DIRECTIONS // 2, axis=0), turns, axes=(1, 2))


def _joined(gradients: np.ndarray, channels: np.ndarray) -> np.ndarray:
    total = np.sqrt(channels.sum(axis=0))
    cells = float(total.sum() ** 2 / max(float((total * total).sum()), 1e-9))
    roots = np.sqrt(channels + 1e-4)
    spread = roots - roots.mean(axis=(1, 2), keepdims=True)
    local = spread - spread.mean(axis=1, keepdims=True) - spread.mean(axis=2, keepdims=True)
    length = max(float(np.linalg.norm(local)), _LEAST_LEFT * float(np.linalg.norm(spread)), 1e-6)
    both = np.concatenate([gradients.astype(np.float32), local.ravel() / length])
    # Of the product of two such vectors each part gives half, and each picture has its say on how plain it is.
    return (both * np.sqrt(0.5 * min(1.0, cells / _ENOUGH_CELLS))).astype(np.float16)
