"""Drawing one batch of second images with strategies at work on it, and once more those that this did not help."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from twig_assets.generation import Capability
from twig_assets.generation.sampling import sample
from twig_assets.regeneration.strategy import Batch, Redraw, RegenerationStrategy


def drawn_with(batch: Batch, chosen: Sequence[type[RegenerationStrategy]]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The images of one batch, uint8 (n, H, W, 3), and what was done to each of them.

    Args:
        batch: The batch.
        chosen: The strategies, in the order they are applied.
    """
    strategies = [strategy(batch) for strategy in chosen]
    images, figures = _drawn(batch, strategies)
    redraw = next((redraw for strategy in strategies if (redraw := strategy.redraw()) is not None), None)
    return (images, figures) if redraw is None else _redrawn(batch, chosen, redraw, images, figures)


def _drawn(
    batch: Batch, strategies: Sequence[RegenerationStrategy], noise: torch.Tensor | None = None
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    if noise is None:
        noise = next((noise for strategy in strategies if (noise := strategy.noise()) is not None), None)
    images = sample(batch.family, batch.prompts, batch.seeds, batch.generation, noise, strategies)
    for strategy in strategies:
        images = strategy.finish(images)
    figures: list[dict[str, Any]] = [{} for _ in batch.prompts]
    for strategy in strategies:
        figures = [before | after for before, after in zip(figures, strategy.figures(), strict=True)]
    return images, figures


def _redrawn(
    batch: Batch,
    chosen: Sequence[type[RegenerationStrategy]],
    redraw: Redraw,
    images: np.ndarray,
    figures: list[dict[str, Any]],
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Each image as it was or as it was drawn once more, whichever overlaps its mask less; the cost in its figures."""
    part = batch.part(redraw.at)
    others, told = _drawn(part, [strategy(part) for strategy in chosen], redraw.noise)
    images, figures = images.copy(), list(figures)
    for k, i in enumerate(redraw.at):
        before, after = figures[i]["avoidance"], told[k].get("avoidance")
        spent = {
            "evaluations": _evaluations(batch) + sum((each or {}).get("evaluations", 0) for each in (before, after))
        }
        # Without such figures it was not taken for an ordinary image this time, and what became of it is no better.
        if after and after["overlap"] < before["overlap"]:
            how = "seed" if after["how"] == "left" else after["how"]
            avoidance = {**after, **redraw.figures[k], "how": how, "redrawn": True, **spent}
            images[i], figures[i] = others[k], {**told[k], "avoidance": avoidance}
        else:
            figures[i] = {**figures[i], "avoidance": {**before, "redrawn": False, **spent}}
    return images, figures


def _evaluations(batch: Batch) -> int:
    """Of the denoiser for one image."""
    twice = batch.generation.guidance_scale > 1 and Capability.GUIDANCE in batch.family.capabilities
    return batch.generation.steps * (2 if twice else 1)
