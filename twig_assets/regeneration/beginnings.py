"""Several beginnings of an image, of which the one that leaves the first image's shape free is drawn to the end.

Where things will be shows, roughly, in the very first prediction, made from noise alone. So a handful of seeds are
looked at for one prediction each, without guidance, which costs half a step apiece.
"""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.generate import sample
from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.steering import Prediction, steered

# Between the seeds of one image; a prime, so that the neighbours' seeds, which follow each other, are not met.
_APART = 1_000_003


class _SeenError(Exception):
    """Ends a pipeline's call once its first prediction is known."""


def presence(clean: torch.Tensor) -> torch.Tensor:
    """How surely something shows: 0 to 1, (n, h, w), by a latent's squared distance from the ground.

    1 is the distance of the twentieth part of the cells that are furthest from it.
    """
    off = (clean - ground(clean)).square().sum(1)
    return (off / off.flatten(1).quantile(0.95, dim=1)[:, None, None].clamp_min(1e-6)).clamp(max=1)


def emptiest(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    masks: np.ndarray,
    count: int,
    generation: GenerationSettings,
) -> list[int]:
    """For each image the seed, of `count` that are derived from its own, whose beginning meets its mask least.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: n seeds; the first of each image's seeds is its own.
        masks: bool (n, H, W), what to keep free.
        count: Seeds per image; of one, nothing is looked at.
        generation: The sampler's settings.
    """
    if count == 1:
        return list(seeds)
    tried = [[int(seed) + _APART * i for seed in seeds] for i in range(count)]
    shown = torch.stack([presence(first_prediction(pipeline, prompts, row, generation)) for row in tried]).cpu()
    taken = F.interpolate(torch.from_numpy(masks).float()[:, None], size=shown.shape[-2:], mode="area")[:, 0]
    shared, either = torch.minimum(shown, taken).sum((2, 3)), torch.maximum(shown, taken).sum((2, 3))
    best = (shared / either.clamp_min(1)).argmin(0).tolist()
    return [tried[one][i] for i, one in enumerate(best)]


def first_prediction(
    pipeline: Pipeline, prompts: Sequence[str], seeds: Sequence[int], generation: GenerationSettings
) -> torch.Tensor:
    """The clean latents (n, C, h, w) that are predicted from noise alone, without guidance."""
    seen: list[torch.Tensor] = []

    def look(now: Prediction) -> Prediction:
        seen.append(now.clean)
        raise _SeenError

    unguided = generation.model_copy(update={"guidance_scale": 1.0, "guidance_from": 0.0})
    with suppress(_SeenError):
        sample(steered(pipeline, look), prompts, seeds, unguided)
    return seen[0]
