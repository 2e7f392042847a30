"""Where in the frame a shape overlaps a mask least."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

# A shape that touches an edge of the frame with more than this share of its side continues beyond it.
_CUT = 1 / 3
# Of places that are equally good the nearest is taken.
_NO_GAIN = 1e-7
_IMPOSSIBLE = 9.0


@dataclass(frozen=True)
class Places:
    """For k shapes the best place against each of m masks.

    Attributes:
        cost: Intersection over union there, and what nearness to the frame's edge costs: (m, k).
        down: By how many cells the shape is moved down to get there: (m, k).
        right: And to the right.
    """

    cost: np.ndarray
    down: np.ndarray
    right: np.ndarray


def best_places(
    shapes: np.ndarray, masks: np.ndarray, cell: int, edge_cost: float, margin: int, bare_cost: float = 0.0
) -> Places:
    """The shift by whole cells by which each shape meets each mask least, nearness to the frame's edge included.

    Args:
        shapes: bool (k, H, W). No shift moves a part of a shape out of the frame. A shape that an edge of the frame
            cuts (a third of its side lies on that edge) stays on the edge; an empty shape stays where it is.
        masks: bool (m, H, W), what to avoid.
        cell: Pixels of a cell along one side; a divisor of H and W.
        edge_cost: What touching an edge costs, counted as intersection over union, 0 or more. From `margin` on it is
            nothing, and so it is where the shape is as near to the edge already.
        margin: Distance from the frame's edge in pixels, at least 1.
        bare_cost: What it costs to leave all of the frame bare, counted likewise; a part of it costs that part.
    """
    height, width = shapes.shape[1] // cell, shapes.shape[2] // cell
    downs, rights = np.arange(-height + 1, height), np.arange(-width + 1, width)
    cost = _overlaps(shapes, masks, cell, downs, rights)
    free, crowded = zip(*(_room(shape, downs * cell, rights * cell, margin) for shape in shapes), strict=True)
    distance = np.square(downs)[:, None] + np.square(rights)
    bare = 1 - (1 - abs(downs) / height)[:, None] * (1 - abs(rights) / width)
    moving = _NO_GAIN * distance + bare_cost * bare
    cost = np.where(np.stack(free), cost + edge_cost * np.stack(crowded) + moving, _IMPOSSIBLE)
    flat = cost.reshape(*cost.shape[:2], -1)
    at = flat.argmin(-1)
    return Places(flat.min(-1), downs[at // len(rights)], rights[at % len(rights)])


def _overlaps(shapes: np.ndarray, masks: np.ndarray, cell: int, downs: np.ndarray, rights: np.ndarray) -> np.ndarray:
    """Intersection over union of every mask with every shape at every shift: (m, k, downs, rights)."""
    # A shift by whole cells keeps each pixel's place in its cell, so these places are correlated apart and summed.
    split = [F.pixel_unshuffle(torch.from_numpy(areas).float()[:, None], cell) for areas in (masks, shapes)]
    size = [2 * side for side in split[0].shape[-2:]]
    mask, shape = (torch.fft.rfft2(areas, s=size) for areas in split)
    shared = torch.fft.irfft2(torch.einsum("mchw,kchw->mkhw", mask, shape.conj()), s=size).round().numpy()
    shared = shared[:, :, downs % size[0]][..., rights % size[1]]
    area = masks.sum((1, 2))[:, None, None, None] + shapes.sum((1, 2))[None, :, None, None]
    return shared / np.maximum(area - shared, 1)


def _room(shape: np.ndarray, downs: np.ndarray, rights: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """At every shift: whether the shape is within the frame, and how much nearer to its edges than now, 0 to 4."""
    if not shape.any():
        return (downs == 0)[:, None] & (rights == 0), np.zeros((len(downs), len(rights)))
    rows, columns = _to_edges(shape.max(1)), _to_edges(shape.max(0))
    down = rows[:, None] + np.stack([downs, -downs])
    right = columns[:, None] + np.stack([rights, -rights])
    high, wide = _allowed(down, shape[[0, -1]], shape.max(0)), _allowed(right, shape[:, [0, -1]].T, shape.max(1))
    return high[:, None] & wide, _nearer(down, rows, margin)[:, None] + _nearer(right, columns, margin)


def _allowed(distance: np.ndarray, on_edges: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Which shifts keep a shape in the frame, and on those edges that cut it."""
    cut = on_edges.sum(1) > _CUT * side.sum()
    return (distance >= 0).all(0) & (distance[cut] == 0).all(0)


def _to_edges(taken: np.ndarray) -> np.ndarray:
    """How far the first and the last taken line are from the frame's two edges, of bool (lines,): int (2,)."""
    lines = taken.nonzero()[0]
    return np.array([lines[0], len(taken) - 1 - lines[-1]])


def _nearer(distance: np.ndarray, now: np.ndarray, margin: int) -> np.ndarray:
    return np.maximum(np.minimum(now, margin)[:, None] - np.minimum(distance, margin), 0).sum(0) / margin
