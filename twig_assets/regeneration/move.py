"""The strategy `move`: once the object shows, set it to the place where it meets the first image's mask least.

The predicted clean image and its noise are moved together, by whole latent cells, so that what has been drawn stays as
it is; what is uncovered gets the ground and fresh noise, and the steps that are left draw it in. The object keeps its
size. Nothing of the first image is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes, binary_opening
from scipy.signal import fftconvolve

from twig_assets.generation import Pipeline
from twig_assets.generation.autoencoder import decode
from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.steering import Prediction, Steer
from twig_assets.settings.regeneration import RegenerationSettings

_OBJECT = 0.3
_NOISE = 0x6D6F7665
# Of places that are equally good the nearest is taken.
_NO_GAIN = 1e-7


@dataclass(frozen=True)
class Shift:
    """By how many latent cells a picture is moved, down and to the right."""

    down: int
    right: int


def objects(pictures: torch.Tensor) -> np.ndarray:
    """Where something shows in pictures (n, 3, H, W): bool (n, H, W), true where a colour is far from the ground.

    Specks are left out and holes filled, since a mask of Segment Anything has neither.
    """
    off = (pictures - ground(pictures)).square().sum(1).sqrt().cpu().numpy()
    shown = off > _OBJECT * np.quantile(off, 0.95, axis=(1, 2), keepdims=True)
    return np.stack([binary_fill_holes(binary_opening(one, np.ones((2, 2)))) for one in shown])


def best_shift(shape: np.ndarray, mask: np.ndarray, cell: int, edge_cost: float) -> Shift | None:
    """The shift by which a shape meets a mask least, nearness to the frame's edge included; None of an empty shape.

    Args:
        shape: bool (H, W), the object. No shift moves a part of it out of the frame.
        mask: bool (H, W), what to avoid.
        cell: Pixels of a latent cell.
        edge_cost: What touching one edge costs, counted as intersection over union; nothing from one cell's distance
            on, and nothing where the object touches it already.
    """
    if not shape.any():
        return None
    top, bottom = _ends(shape, 1)
    left, right = _ends(shape, 0)
    box = shape[top:bottom, left:right]
    shared = fftconvolve(mask.astype(float), box[::-1, ::-1].astype(float), mode="valid").round()
    overlap = shared / (mask.sum() + box.sum() - shared)
    crowded = (_nearness(top, shared.shape[0], cell), _nearness(left, shared.shape[1], cell))
    cost = (overlap + edge_cost * (crowded[0][:, None] + crowded[1]))[top % cell :: cell, left % cell :: cell]
    downs, rights = np.arange(cost.shape[0]) - top // cell, np.arange(cost.shape[1]) - left // cell
    cost += _NO_GAIN * (np.square(downs)[:, None] + np.square(rights))
    at = np.unravel_index(int(cost.argmin()), cost.shape)
    return Shift(int(downs[at[0]]), int(rights[at[1]]))


def move(pipeline: Pipeline, masks: np.ndarray, seeds: Sequence[int], settings: RegenerationSettings) -> Steer:
    """Acts at the first step at or after `settings.move_at`.

    Args:
        pipeline: Whose autoencoder to use.
        masks: The first images' shapes, bool (n, H, W).
        seeds: n seeds, from which the fresh noise is derived.
        settings: The costs and the time.
    """

    def steer(now: Prediction) -> Prediction:
        if now.index != round(settings.move_at * now.steps):
            return now
        cell = masks.shape[1] // now.clean.shape[2]
        shapes, empty = objects(decode(pipeline, now.clean)), ground(now.clean)
        noise = (now.sample - now.signal * now.clean) / now.noise
        clean, sample = now.clean.clone(), now.sample.clone()
        for i, seed in enumerate(seeds):
            by = best_shift(shapes[i], masks[i], cell, settings.edge_cost)
            if by is None or by == Shift(0, 0):
                continue
            fresh = torch.randn(noise[i].shape, generator=torch.Generator().manual_seed(int(seed) ^ _NOISE))
            clean[i] = shifted(now.clean[i], by, empty[i])
            sample[i] = now.signal * clean[i] + now.noise * shifted(noise[i], by, fresh.to(noise))
        return replace(now, clean=clean, sample=sample)

    return steer


def shifted(latents: torch.Tensor, by: Shift, uncovered: torch.Tensor) -> torch.Tensor:
    """Latents (C, h, w) moved by whole cells; `uncovered`, of a shape that broadcasts, shows where they were."""
    height, width = latents.shape[1:]
    moved = uncovered.expand_as(latents).clone()
    there = slice(max(by.down, 0), height + min(by.down, 0)), slice(max(by.right, 0), width + min(by.right, 0))
    here = slice(max(-by.down, 0), height - max(by.down, 0)), slice(max(-by.right, 0), width - max(by.right, 0))
    moved[:, there[0], there[1]] = latents[:, here[0], here[1]]
    return moved


def _ends(shape: np.ndarray, across: int) -> tuple[int, int]:
    found = np.any(shape, axis=across).nonzero()[0]
    return int(found[0]), int(found[-1]) + 1


def _nearness(at: int, places: int, cell: int) -> np.ndarray:
    """For each place of a box along one side, how much nearer to the two edges it is than at `at`, 0 to 2."""
    to_edges = np.minimum(np.stack([np.arange(places), np.arange(places)[::-1]]) / cell, 1)
    return np.maximum(to_edges[:, at, None] - to_edges, 0).sum(0)
