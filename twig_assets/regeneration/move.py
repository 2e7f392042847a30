"""The strategy `move`: set what the model is about to draw to the emptiest place, once it has begun to show.

After the first steps the predicted clean image is a blurred sketch of the object on its ground. The sketch is moved,
and reduced if it must be, to where it meets the first image's mask least; then the denoising goes on from it with fresh
noise of the same level, so that all detail is drawn anew. Nothing of the first image is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.steering import Prediction, Steer
from twig_assets.settings.regeneration import RegenerationSettings

SIZES = 4
_SKETCH = 0.4
_NOISE = 0x6D6F7665


@dataclass(frozen=True)
class Placement:
    """Where a box goes: its top left corner (y, x) in cells, there and before, and its size as a share of before."""

    y: float
    x: float
    size: float
    from_y: float
    from_x: float

    def inverse(self, height: int, width: int) -> list[list[float]]:
        """The affine map from new to old places that `affine_grid` takes, in its coordinates from -1 to 1."""
        across = ((width / 2 - self.x) / self.size + self.from_x) * 2 / width - 1
        down = ((height / 2 - self.y) / self.size + self.from_y) * 2 / height - 1
        return [[1 / self.size, 0.0, across], [0.0, 1 / self.size, down]]


def sketch(clean: torch.Tensor) -> torch.Tensor:
    """Where something shows: zeros and ones (n, 1, h, w), one where a latent is far from the ground."""
    off = (clean - ground(clean)).square().sum(1, keepdim=True).sqrt()
    most = off.flatten(1).quantile(0.95, dim=1)[:, None, None, None]
    return (off > _SKETCH * most).to(clean)


def placements(shape: torch.Tensor, smallest: float) -> list[Placement]:
    """All places, cell by cell, and SIZES sizes that keep the box of a shape (h, w) in the frame; first as it is."""
    rows, columns = shape.any(1).nonzero(), shape.any(0).nonzero()
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    found = [Placement(top, left, 1.0, top, left)]
    for size in np.linspace(1.0, smallest, SIZES).tolist():
        below, beside = shape.shape[0] - height * size, shape.shape[1] - width * size
        found += [Placement(y, x, size, top, left) for y in _stops(below) for x in _stops(beside)]
    return found


def best_placement(shape: torch.Tensor, mask: torch.Tensor, settings: RegenerationSettings) -> Placement | None:
    """The placement of a shape (h, w) with the least overlap with a mask (h, w), what reduction costs included."""
    found = placements(shape, settings.smallest)
    if not found:
        return None
    height, width = shape.shape
    moved = _warped(shape[None, None].expand(len(found), 1, height, width), found)[:, 0]
    shared, either = torch.minimum(moved, mask).sum((1, 2)), torch.maximum(moved, mask).sum((1, 2))
    cost = shared / either.clamp_min(1e-6) + 2 * settings.move_cost * torch.tensor([1 - one.size for one in found])
    return found[int(cost.argmin())]


def move(mask: torch.Tensor, seeds: Sequence[int], settings: RegenerationSettings) -> Steer:
    """Acts at the first step at or after `settings.move_at`.

    Args:
        mask: The first images' shapes (n, 1, h, w), zeros and ones.
        seeds: n seeds, from which the fresh noise is derived.
        settings: The costs and the time.
    """

    def steer(now: Prediction) -> Prediction:
        if now.index != round(settings.move_at * now.steps):
            return now
        shapes, empty = sketch(now.clean).cpu(), ground(now.clean)
        clean, sample = now.clean.clone(), now.sample.clone()
        for i, seed in enumerate(seeds):
            place = best_placement(shapes[i, 0], mask[i, 0].cpu(), settings)
            if place is None or place == Placement(place.from_y, place.from_x, 1.0, place.from_y, place.from_x):
                continue
            drawn = _warped(now.clean[i : i + 1] - empty[i], [place]) + empty[i]
            noise = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(int(seed) ^ _NOISE))
            clean[i] = drawn[0]
            sample[i] = now.signal * drawn[0] + now.noise * noise[0].to(drawn)
        return replace(now, clean=clean, sample=sample)

    return steer


def _stops(room: float) -> list[float]:
    return sorted({*np.arange(0.0, max(room, 0.0) + 1e-9, 1.0).tolist(), max(room, 0.0)})


def _warped(latents: torch.Tensor, places: Sequence[Placement]) -> torch.Tensor:
    height, width = latents.shape[-2:]
    maps = torch.tensor([place.inverse(height, width) for place in places]).to(latents)
    grid = F.affine_grid(maps, list(latents.shape), align_corners=False)
    return F.grid_sample(latents, grid, padding_mode="zeros", align_corners=False)
