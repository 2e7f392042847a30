"""Sampling with the unedited model while keeping every step: what a distillation learns from."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from twig_assets.ablation.conditions import conditions, joined
from twig_assets.generation import Pipeline

_GUIDANCE = 3.0


@dataclass(frozen=True)
class Trajectories:
    """Every step of sampling n prompts.

    Attributes:
        latents: x_t, (n, steps, C, h, w).
        timesteps: t, (steps,), from high noise to low.
        predictions: What the unedited model predicts of x_t with its own prompt, without guidance, as `latents`.
        final: The finished latents, (n, C, h, w).
    """

    latents: torch.Tensor
    timesteps: torch.Tensor
    predictions: torch.Tensor
    final: torch.Tensor


@torch.no_grad()
def trajectories(pipeline: Pipeline, prompts: Sequence[str], steps: int, seed: int) -> Trajectories:
    """Sample each prompt once with classifier-free guidance.

    The prediction that guidance needs anyhow is the target of the model-based loss; the finished latents are what
    encoding the image would give. So neither costs anything beyond sampling.

    Args:
        pipeline: The unedited model.
        prompts: n prompts.
        steps: Sampling steps.
        seed: Of the starting noise.
    """
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(steps, device=pipeline.device)
    size = pipeline.unet.config.sample_size
    shape = (len(prompts), pipeline.unet.config.in_channels, size, size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latents = noise.to(pipeline.unet.device, pipeline.unet.dtype) * scheduler.init_noise_sigma
    both = joined(conditions(pipeline, [""] * len(prompts)), conditions(pipeline, prompts))
    seen, predicted = [], []
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, t)
        without, own = pipeline.unet(torch.cat([scaled, scaled]), t, **both.keywords()).sample.chunk(2)
        seen.append(scaled)
        predicted.append(own)
        latents = scheduler.step(without + _GUIDANCE * (own - without), t, latents).prev_sample
    return Trajectories(torch.stack(seen, 1), scheduler.timesteps, torch.stack(predicted, 1), latents)
