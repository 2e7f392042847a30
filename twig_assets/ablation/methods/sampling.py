"""Latents that the model draws, without decoding them."""

import copy
from collections.abc import Sequence

import torch

from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import conditions, joined

_GUIDANCE = 3.0


@torch.no_grad()
def sampled(pipeline: Pipeline, prompts: Sequence[str], steps: int, seed: int) -> torch.Tensor:
    """Sample each prompt once with classifier-free guidance; what comes out is what encoding the image would give.

    Args:
        pipeline: The model.
        prompts: n prompts.
        steps: Sampling steps.
        seed: Of the starting noise.

    Returns:
        The finished latents, (n, C, h, w).
    """
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(steps, device=pipeline.device)
    size = pipeline.unet.config.sample_size
    shape = (len(prompts), pipeline.unet.config.in_channels, size, size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latents = noise.to(pipeline.unet.device, pipeline.unet.dtype) * scheduler.init_noise_sigma
    both = joined([conditions(pipeline, [""] * len(prompts)), conditions(pipeline, prompts)])
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, t)
        without, own = pipeline.unet(torch.cat([scaled, scaled]), t, **both.keywords()).sample.chunk(2)
        latents = scheduler.step(without + _GUIDANCE * (own - without), t, latents).prev_sample
    return latents
