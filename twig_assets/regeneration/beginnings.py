"""Several beginnings of an image, of which the one whose object can best be kept off the first image's shape is drawn.

What will be where shows early: a sampler of three steps knows it at its second. So the first step is taken once, and
the second from each of several seeds' noise, both without guidance; that costs half a step of the sampler a seed. Of
these sketches the one is taken whose object has the place that meets the mask least, held against how it would fare
with the other seeds' objects as masks, and against how far its size is from theirs. Without that, small things would be
taken, which meet any mask little, and second images would differ from what the model draws.
"""

import copy
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch

from twig_assets.ablation.conditions import conditions
from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.generate import image_size, sample, starting_noise
from twig_assets.regeneration.move import outlines
from twig_assets.regeneration.placing import best_places
from twig_assets.regeneration.steering import Prediction, SteeredScheduler
from twig_assets.settings.regeneration import RegenerationSettings

# Between the seeds of one image; a prime, so that the neighbours' seeds, which follow each other, are not met.
_APART = 1_000_003
_STEPS = 3


class _SeenError(Exception):
    """Ends a pipeline's call once the sketch is known."""


def chosen_seeds(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    masks: np.ndarray,
    settings: RegenerationSettings,
    generation: GenerationSettings,
) -> list[int]:
    """For each image the seed, of several that are derived from its own, whose object can best avoid its mask.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: n seeds; the first of each image's seeds is its own.
        masks: bool (n, H, W), what to keep free.
        settings: How many `beginnings` there are, and the costs; with one beginning nothing is looked at.
        generation: The sampler's settings.
    """
    tried = [[int(seed) + _APART * i for seed in seeds] for i in range(settings.beginnings)]
    if len(tried) == 1:
        return tried[0]
    given = encoded(pipeline, prompts)
    guess = first_guess(pipeline, given, seeds, generation)
    size = (masks.shape[1], masks.shape[2])
    drawn = [outlines(pipeline, sketch(pipeline, given, row, guess, generation), size) for row in tried]
    cell = size[0] // guess.shape[2]
    best = [fairest(shapes, mask, cell, settings) for shapes, mask in zip(np.stack(drawn, 1), masks, strict=True)]
    return [tried[one][i] for i, one in enumerate(best)]


def fairest(shapes: np.ndarray, mask: np.ndarray, cell: int, settings: RegenerationSettings) -> int:
    """Which of the shapes (k, H, W) has the best place, compared with what it would have among the other shapes."""
    cost = best_places(shapes, np.concatenate([mask[None], shapes]), cell, settings.edge_cost, cell).cost
    elsewhere = cost[1:].mean(0, where=~np.eye(len(shapes), dtype=bool))
    area = np.maximum(shapes.sum((1, 2)), 1)
    return int((cost[0] - elsewhere + settings.size_cost * np.square(np.log(area / area.mean()))).argmin())


def encoded(pipeline: Pipeline, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
    """What `sample` takes in place of the prompts, so that they are read once for all sketches."""
    with torch.no_grad():
        read = conditions(pipeline, prompts)
    pooled = {"pooled_prompt_embeds": read.added["text_embeds"]} if read.added else {}
    return {"prompt_embeds": read.embeddings, **pooled}


def first_guess(
    pipeline: Pipeline, given: dict[str, torch.Tensor], seeds: Sequence[int], generation: GenerationSettings
) -> torch.Tensor:
    """The clean latents (n, C, h, w) that are predicted from noise alone, without guidance."""
    return _predicted(pipeline, given, seeds, generation, SteeredScheduler, None)


def sketch(
    pipeline: Pipeline,
    given: dict[str, torch.Tensor],
    seeds: Sequence[int],
    guess: torch.Tensor,
    generation: GenerationSettings,
) -> torch.Tensor:
    """The clean latents (n, C, h, w) that are predicted from a guess under each seed's noise, without guidance."""
    schedule = copy.deepcopy(pipeline.scheduler)
    schedule.set_timesteps(_STEPS)
    signal = schedule.alphas_cumprod[int(schedule.timesteps[1])].item()
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    noise = starting_noise(pipeline, generators, *image_size(pipeline, generation))
    noisy = (signal**0.5 * guess + (1 - signal) ** 0.5 * noise.float()).to(noise.dtype)
    return _predicted(pipeline, given, seeds, generation, _FromSecondStep, noisy)


class _FromSecondStep(SteeredScheduler):
    """Leaves its first step out."""

    @property
    def timesteps(self) -> torch.Tensor:
        return self._inner.timesteps[1:]


def _predicted(
    pipeline: Pipeline,
    given: dict[str, torch.Tensor],
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
        sample(twin, None, seeds, coarse, given, latents)
    return seen[0]
