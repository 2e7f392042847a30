"""Moving the object of a finished image by pixels, as a whole with its ground."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, median_filter

from twig_assets.regeneration.overlap import iou
from twig_assets.regeneration.placing import best_places


@dataclass(frozen=True)
class Costs:
    """What a move costs, counted as overlap (intersection over union).

    Attributes:
        edge: Touching an edge of the frame, see `best_places`.
        margin: From which distance of the edge on it costs nothing, in pixels.
        bare: Leaving all of the frame bare; a part of it costs that part.
        least_gain: By how much a move has to lower the overlap, all costs included; for less nothing is moved.
    """

    edge: float
    margin: int
    bare: float = 0.0
    least_gain: float = 0.0


@dataclass(frozen=True)
class Move:
    """Where the object of an image goes.

    Attributes:
        down: By how many pixels, negative for up; 0 where it stays.
        right: And to the right.
        before: Intersection over union of the object and the mask where it was drawn, 0 to 1.
        after: The same where it goes.
    """

    down: int
    right: int
    before: float
    after: float

    @property
    def stays(self) -> bool:
        """Whether the object stays where it was drawn."""
        return not (self.down or self.right)


@dataclass(frozen=True, eq=False)
class Slid:
    """An image that was moved.

    Attributes:
        image: uint8 (H, W, 3).
        bare: bool (H, W), where the move left it bare and its pixels are made up.
        covered: bool (H, W), where in it the object would be mirrored, and a colour stands instead.
        shape: bool (H, W), the object, where it is now.
    """

    image: np.ndarray
    bare: np.ndarray
    covered: np.ndarray
    shape: np.ndarray


def best_move(shape: np.ndarray, mask: np.ndarray, costs: Costs) -> Move:
    """The move to where an object meets a mask least, or none if that is not worth it.

    Args:
        shape: The object, bool (H, W).
        mask: What to avoid, bool (H, W).
        costs: What a move costs.
    """
    places = best_places(shape[None], mask[None], 1, costs.edge, costs.margin, costs.bare)
    down, right, before = int(places.down[0, 0]), int(places.right[0, 0]), iou(shape, mask)
    if before - places.cost[0, 0] < costs.least_gain:
        return Move(0, 0, before, before)
    return Move(down, right, before, iou(shifted(shape, down, right), mask))


def shifted(shape: np.ndarray, down: int, right: int) -> np.ndarray:
    """A bool (H, W) moved by pixels; what leaves the frame is lost."""
    height, width = shape.shape
    down, right = int(np.clip(down, -height, height)), int(np.clip(right, -width, width))
    there = np.zeros_like(shape)
    there[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = shape[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return there


def slid(image: np.ndarray, move: Move, shape: np.ndarray, uncovered: Sequence[int] | np.ndarray) -> Slid:
    """An image moved by whole pixels; what it leaves bare mirrors what is next to it, but for the object.

    Args:
        image: The image to move, uint8 (H, W, 3).
        move: By how much.
        shape: bool (H, W), the object.
        uncovered: The colour (3,) that comes up where the object would be mirrored.
    """
    rows, columns = _mirrored(image.shape[0], move.down), _mirrored(image.shape[1], move.right)
    near = binary_dilation(shape, iterations=_rim(shape))
    bare = (rows != np.arange(len(rows)) - move.down)[:, None] | (columns != np.arange(len(columns)) - move.right)
    sources = np.ix_(rows, columns)
    covered = bare & near[sources]
    there = np.where(covered[..., None], np.asarray(uncovered, np.uint8), image[sources])
    return Slid(there, bare, covered, shifted(shape, move.down, move.right))


def continued(moved: Slid) -> np.ndarray:
    """A moved image, uint8 (H, W, 3), whose bare part goes on with the ground where it would mirror the object.

    There it mirrors, about the nearest place that does not belong to the object, what lies beyond that place: one
    colour would show as a patch on any ground that is not plain, and the colours of that place alone as a smear on any
    that has a texture.
    """
    if not moved.covered.any():
        return moved.image
    # Neither where the object would be mirrored nor where it is now.
    taken = moved.covered | binary_dilation(moved.shape, iterations=_rim(moved.shape))
    if taken.all():
        return moved.image
    nearest = np.stack(distance_transform_edt(taken, return_distances=False, return_indices=True))
    beyond = 2 * nearest - np.indices(taken.shape)
    inside = (beyond >= 0).all(0) & (beyond < np.reshape(taken.shape, (2, 1, 1))).all(0)
    free = inside & ~taken[tuple(np.where(inside, beyond, 0))]
    # Neighbours may be mirrored about places that are far apart; the median leaves no single pixel of such a jump.
    ground = median_filter(moved.image[tuple(np.where(free, beyond, nearest))], size=(3, 3, 1))
    return np.where(moved.covered[..., None], ground, moved.image)


def _rim(shape: np.ndarray) -> int:
    """A thirty-second of the image, in pixels: thin or pale parts of an object lie outside its outline."""
    return max(1, len(shape) // 32)


def _mirrored(length: int, by: int) -> np.ndarray:
    return np.pad(np.arange(length), abs(by), mode="reflect")[abs(by) - by :][:length]
