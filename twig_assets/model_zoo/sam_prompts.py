"""Prompts for training and measuring the segmenter: points, boxes and corrections of a first answer."""

import numpy as np
from scipy import ndimage


def centre_point(mask: np.ndarray) -> np.ndarray:
    """The pixel of a mask that is farthest from its edge, as (x, y): how Segment Anything scores one-point prompts.

    Args:
        mask: bool array of shape (H, W) with at least one True.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return np.array([x, y], np.float32)


def inner_point(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Any pixel of a mask, as (x, y)."""
    inside = np.flatnonzero(mask)
    y, x = np.divmod(inside[rng.integers(len(inside))], mask.shape[1])
    return np.array([x, y], np.float32)


def box_around(mask: np.ndarray) -> np.ndarray:
    """The tight box of a mask with at least one True, as (x0, y0, x1, y1), the last pixels included."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def loose_box(mask: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """The box of a mask with each side moved by normal noise, as a person would draw it.

    Args:
        mask: bool array of shape (H, W) with at least one True.
        jitter: Standard deviation of the noise as a share of the box's side; cut at twice that.
        rng: Source of the noise.
    """
    x0, y0, x1, y1 = box = box_around(mask)
    sides = np.array([x1 - x0 + 1, y1 - y0 + 1, x1 - x0 + 1, y1 - y0 + 1], np.float32)
    moved = box + np.clip(rng.normal(0, jitter, size=4), -2 * jitter, 2 * jitter) * sides
    limit = np.array([mask.shape[1] - 1, mask.shape[0] - 1] * 2, np.float32)
    return np.clip(moved, 0, limit).astype(np.float32)


def corrections(answer: np.ndarray, target: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points that tell where an answer is wrong, as a person would click them.

    Args:
        answer: bool array of shape (H, W), the mask given.
        target: bool array of shape (H, W), the mask wanted.
        count: How many points.
        rng: Source of every choice.

    Returns:
        float32 (count, 3): x, y and the label, 1 where the answer misses the object and 0 where it goes beyond it. From
        a perfect answer the points are taken inside the object.
    """
    wrong = answer ^ target
    where = wrong if wrong.any() else target
    points = [inner_point(where, rng) for _ in range(count)]
    return np.array([[x, y, target[int(y), int(x)]] for x, y in points], np.float32)
