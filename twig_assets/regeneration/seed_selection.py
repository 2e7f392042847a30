"""Several beginnings of an image, of which the one whose object can best be kept off the first image's shape is drawn.

What will be where shows early: a sampler of three steps knows it at its second. So the first two of three coarse steps
are taken from each of several seeds' noise, without guidance, which costs a step of the sampler a seed. Mirrored noise
becomes nearly the mirror image, with lettering drawn afresh, so each of these sketches stands for two beginnings. The
one is taken whose object has the place that meets the mask least, held against how it would fare with the other
sketches' objects as masks, and against how far its size is from theirs. Without that, small things would be taken,
which meet any mask little, and second images would differ from what the model draws.
"""

from collections.abc import Sequence

import numpy as np
import torch

from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.conditioning import Conditions, conditions
from twig_assets.generation.generate import image_size, starting_noise
from twig_assets.generation.steering import Prediction, steered
from twig_assets.regeneration.placing import best_places
from twig_assets.regeneration.strategies.move import outlines
from twig_assets.settings.regeneration import RegenerationSettings

# Between the seeds of one image; a prime, so that the neighbours' seeds, which follow each other, are not met.
_APART = 1_000_003
_STEPS = 3


def chosen_noise(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    masks: np.ndarray,
    settings: RegenerationSettings,
    generation: GenerationSettings,
) -> torch.Tensor:
    """For each image the noise, of several that are derived from its seed, whose object can best avoid its mask.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: n seeds; the first of each image's seeds is its own.
        masks: bool (n, H, W), what to keep free.
        settings: How many `beginnings` there are, and the costs; with one beginning nothing is looked at.
        generation: The sampler's settings.

    Returns:
        What the sampler starts from, (n, C, h, w).
    """
    count = settings.beginnings
    noise = _noise(pipeline, [seed + _APART * i for i in range(count) for seed in seeds], generation).chunk(count)
    if count == 1:
        return noise[0]
    with torch.no_grad():
        read = conditions(pipeline, prompts)
    size = (masks.shape[1], masks.shape[2])
    drawn = [outlines(pipeline, sketch(pipeline, read, seeds, one), size) for one in noise]
    shapes = np.stack([*drawn, *(np.flip(one, -1) for one in drawn)], 1)
    cell = size[0] // noise[0].shape[2]
    best = [fairest(of_one, mask, cell, settings) for of_one, mask in zip(shapes, masks, strict=True)]
    both = [*noise, *(one.flip(-1) for one in noise)]
    return torch.stack([both[one][i] for i, one in enumerate(best)])


def fairest(shapes: np.ndarray, mask: np.ndarray, cell: int, settings: RegenerationSettings) -> int:
    """Which of the shapes (2k, H, W) has the best place, compared with what it would have among the other shapes.

    The second half are the mirror images of the first; no shape is compared with itself or its mirror image.
    """
    sketches = len(shapes) // 2
    cost = best_places(shapes, np.concatenate([mask[None], shapes[:sketches]]), cell, settings.edge_cost, cell).cost
    elsewhere = cost[1:].mean(0, where=~np.tile(np.eye(sketches, dtype=bool), 2))
    area = np.maximum(shapes.sum((1, 2)), 1)
    return int((cost[0] - elsewhere + settings.size_cost * np.square(np.log(area / area.mean()))).argmin())


@torch.no_grad()
def sketch(pipeline: Pipeline, read: Conditions, seeds: Sequence[int], noise: torch.Tensor) -> torch.Tensor:
    """The clean latents (n, C, h, w) that the second of three coarse steps predicts, without guidance.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL. Its call does much that a sketch needs not, at a cost.
        read: The conditions of n prompts.
        seeds: n seeds, for a scheduler that draws noise of its own.
        noise: What the sampler starts from, (n, C, h, w).
    """
    seen: list[Prediction] = []

    def look(now: Prediction) -> Prediction:
        seen.append(now)
        return now

    scheduler = steered(pipeline, look).scheduler
    scheduler.set_timesteps(_STEPS, device=noise.device)
    # From no image's seed and no beginning's: their noise is what something starts from.
    generators = [torch.Generator().manual_seed(int(seed) + _APART // 2) for seed in seeds]
    latents = noise * scheduler.init_noise_sigma
    for moment in scheduler.timesteps[:2]:
        scaled = scheduler.scale_model_input(latents, moment)
        output = pipeline.unet(scaled, moment, **read.keywords(), return_dict=False)[0]
        latents = scheduler.step(output, moment, latents, generators, return_dict=False)[0]
    return seen[-1].clean


def _noise(pipeline: Pipeline, seeds: Sequence[int], generation: GenerationSettings) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    return starting_noise(pipeline, generators, *image_size(pipeline, generation))
