"""Several beginnings of an image, of which the one that leaves the first image's shape free is drawn to the end.

Where things will be shows early: a sampler of three steps knows it at its second. So the first step is taken once, and
the second from each of several seeds' noise, both without guidance; that costs half a step of the sampler a seed. Of
these sketches the one is taken that meets the mask least, held against how much it meets the other seeds' sketches.
Without that comparison small things at the edge would be taken, which meet any mask little.
"""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.generate import image_size, sample, starting_noise
from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.steering import Prediction, SteeredScheduler

# Between the seeds of one image; a prime, so that the neighbours' seeds, which follow each other, are not met.
_APART = 1_000_003
_STEPS = 3
# What a sketch's size is worth, as overlap: without it what is taken is a twentieth smaller than what is not.
_SIZE = 0.1


@dataclass(frozen=True)
class Beginning:
    """The noise that an image begins with: a seed's, or the same mirrored left to right."""

    seed: int
    mirrored: bool = False


class _SeenError(Exception):
    """Ends a pipeline's call once the sketch is known."""


def presence(clean: torch.Tensor) -> torch.Tensor:
    """How surely something shows: 0 to 1, (n, h, w), by a latent's distance from the ground.

    1 is the distance of the twentieth part of the cells that are furthest from it.
    """
    off = (clean - ground(clean)).square().sum(1).sqrt()
    return (off / off.flatten(1).quantile(0.95, dim=1)[:, None, None].clamp_min(1e-6)).clamp(max=1)


def emptiest(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    masks: np.ndarray,
    count: int,
    generation: GenerationSettings,
) -> list[Beginning]:
    """For each image the beginning, of `count` seeds derived from its own, that avoids its mask best.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: n seeds; the first of each image's seeds is its own.
        masks: bool (n, H, W), what to keep free.
        count: Seeds per image; of one, nothing is looked at.
        generation: The sampler's settings.
    """
    if count == 1:
        return [Beginning(seed) for seed in seeds]
    tried = [[int(seed) + _APART * i for seed in seeds] for i in range(count)]
    guess = first_guess(pipeline, prompts, seeds, generation)
    shown = torch.stack([presence(sketch(pipeline, prompts, row, guess, generation)) for row in tried]).cpu()
    # What mirrored noise becomes is nearly what the noise becomes, mirrored: it need not be looked at.
    shown = torch.cat([shown, shown.flip(-1)])
    taken = F.interpolate(torch.from_numpy(masks).float()[:, None], size=shown.shape[-2:], mode="area")[:, 0]
    size = shown.sum((2, 3))
    cost = overlap(shown, taken) - _usual(shown, count) - _SIZE * size / size.mean(0).clamp_min(1)
    return [Beginning(tried[one % count][i], one >= count) for i, one in enumerate(cost.argmin(0).tolist())]


def _usual(shown: torch.Tensor, count: int) -> torch.Tensor:
    """How much each sketch (2 count, n, h, w) overlaps with those of the other seeds, on average: (2 count, n)."""
    apart = torch.arange(len(shown)) % count
    others = (apart[:, None] != apart).float()[..., None]
    return (overlap(shown[:, None], shown) * others).sum(1) / others.sum(1)


def overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of maps (..., h, w) of values from 0 to 1: (...)."""
    return torch.minimum(a, b).sum((-2, -1)) / torch.maximum(a, b).sum((-2, -1)).clamp_min(1)


def noise_of(pipeline: Pipeline, beginnings: Sequence[Beginning], generation: GenerationSettings) -> torch.Tensor:
    """The starting noise (n, C, h, w) of beginnings."""
    generators = [torch.Generator().manual_seed(one.seed) for one in beginnings]
    noise = starting_noise(pipeline, generators, *image_size(pipeline, generation))
    mirrored = torch.tensor([one.mirrored for one in beginnings], device=noise.device)
    return torch.where(mirrored[:, None, None, None], noise.flip(-1), noise)


def first_guess(
    pipeline: Pipeline, prompts: Sequence[str], seeds: Sequence[int], generation: GenerationSettings
) -> torch.Tensor:
    """The clean latents (n, C, h, w) that are predicted from noise alone, without guidance."""
    return _predicted(pipeline, prompts, seeds, generation, SteeredScheduler, None)


def sketch(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    guess: torch.Tensor,
    generation: GenerationSettings,
) -> torch.Tensor:
    """The clean latents (n, C, h, w) that are predicted from a guess under each seed's noise, without guidance."""
    schedule = copy.deepcopy(pipeline.scheduler)
    schedule.set_timesteps(_STEPS)
    signal = schedule.alphas_cumprod[int(schedule.timesteps[1])].item()
    noise = noise_of(pipeline, [Beginning(int(seed)) for seed in seeds], generation)
    noisy = (signal**0.5 * guess + (1 - signal) ** 0.5 * noise.float()).to(noise.dtype)
    return _predicted(pipeline, prompts, seeds, generation, _FromSecondStep, noisy)


class _FromSecondStep(SteeredScheduler):
    """Leaves its first step out."""

    @property
    def timesteps(self) -> torch.Tensor:
        return self._inner.timesteps[1:]


def _predicted(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    generation: GenerationSettings,
    kind: type[SteeredScheduler],
    latents: torch.Tensor | None,
) -> torch.Tensor:
    seen: list[torch.Tensor] = []

    def look(now: Prediction) -> Prediction:
        seen.append(now.clean)
        raise _SeenError

    twin = copy.copy(pipeline)
    twin.scheduler = kind(copy.deepcopy(pipeline.scheduler), look)
    coarse = generation.model_copy(update={"steps": _STEPS, "guidance_scale": 1.0, "guidance_from": 0.0})
    with suppress(_SeenError):
        sample(twin, prompts, seeds, coarse, latents=latents)
    return seen[0]
