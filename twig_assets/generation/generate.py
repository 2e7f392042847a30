"""Sampling images, in batches and reproducibly: an image depends on its own prompt, seed and settings only."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from twig_assets.generation.family import Pipeline
from twig_assets.settings.generation import GenerationSettings


class PromptTooLongError(ValueError):
    """A prompt that the text encoder would cut off."""


def generate(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: GenerationSettings | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Sample one image per prompt.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: n seeds. Each makes its own image's noise, at the start and, where the scheduler adds some, at every
            step, so an image does not depend on its neighbours' seeds.
        settings: The sampler's settings; the defaults when None.
        on_progress: Called with the number of images done so far.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        ValueError: If prompts and seeds differ in number.
        PromptTooLongError: If a prompt has more tokens than the text encoder reads.
        FloatingPointError: If the model produced NaN.
    """
    settings = settings or GenerationSettings()
    if len(prompts) != len(seeds):
        raise ValueError(f"{len(prompts)} prompts but {len(seeds)} seeds; give one seed for each prompt")
    check_lengths(pipeline, prompts)
    parts = []
    for start in range(0, len(prompts), settings.batch_size):
        chunk = slice(start, start + settings.batch_size)
        parts.append(sample(pipeline, prompts[chunk], seeds[chunk], settings))
        if on_progress:
            on_progress(min(start + settings.batch_size, len(prompts)))
    return np.concatenate(parts) if parts else np.zeros((0, *image_size(pipeline, settings), 3), np.uint8)


def sample(
    pipeline: Pipeline,
    prompts: Sequence[str] | None,
    seeds: Sequence[int],
    settings: GenerationSettings,
    encoded: dict[str, torch.Tensor] | None = None,
    latents: torch.Tensor | None = None,
) -> np.ndarray:
    """One call of the pipeline: uint8 array of shape (n, H, W, 3).

    `encoded` takes the place of prompts: `prompt_embeds` (n, tokens, d) and what else the pipeline needs with it.
    `latents` (n, C, h, w) is what it starts from in place of the seeds' own noise.
    """
    height, width = image_size(pipeline, settings)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    # Drawn in any case: what a scheduler draws at its steps must not be the noise that it starts from.
    noise = starting_noise(pipeline, generators, height, width)
    late = settings.guidance_scale > 1 and settings.guidance_from > 0
    result = pipeline(
        None if prompts is None else list(prompts),
        height=height,
        width=width,
        num_inference_steps=settings.steps,
        guidance_scale=_WITHOUT_EFFECT if late else settings.guidance_scale,
        guidance_rescale=settings.guidance_rescale,
        callback_on_step_end=_begin_guidance(settings) if late else None,
        latents=noise if latents is None else latents,
        generator=generators,
        output_type="pt",
        **(encoded or {}),
    )
    images = result.images
    if not torch.isfinite(images).all():
        raise FloatingPointError(
            f"the model produced NaN for {prompts or 'an embedding'!r}; lower guidance_scale or use float32"
        )
    return images.float().mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


# At 1 itself a pipeline leaves the empty prompt out, and guidance could not begin later.
_WITHOUT_EFFECT = 1 + 1e-6


def _begin_guidance(settings: GenerationSettings) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step + 1 >= settings.guidance_from * pipeline.num_timesteps:
            pipeline._guidance_scale = settings.guidance_scale
        return {}

    return after_step


def starting_noise(pipeline: Pipeline, generators: Sequence[torch.Generator], height: int, width: int) -> torch.Tensor:
    """Standard normal latents (n, C, h, w), each drawn on the CPU by its own generator so that all devices agree."""
    shape = (1, pipeline.unet.config.in_channels, height // reduction(pipeline), width // reduction(pipeline))
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.cat(noise).to(pipeline.unet.device, pipeline.unet.dtype)


def image_size(pipeline: Pipeline, settings: GenerationSettings) -> tuple[int, int]:
    """Height and width in pixels: the settings', or the checkpoint's own.

    Raises:
        ValueError: If a given size is not a multiple of the autoencoder's reduction.
    """
    factor = reduction(pipeline)
    own = pipeline.unet.config.sample_size * factor
    height, width = settings.height or own, settings.width or own
    if height % factor or width % factor:
        raise ValueError(f"height {height} and width {width} must be multiples of {factor} for this checkpoint")
    return height, width


def reduction(pipeline: Pipeline) -> int:
    """Pixels per latent cell along one side, 8 for Stable Diffusion."""
    return pipeline.vae_scale_factor


def check_lengths(pipeline: Pipeline, prompts: Sequence[str]) -> None:
    """Refuse prompts that the text encoder would silently cut.

    Raises:
        PromptTooLongError: Naming the first such prompt, its length and the limit.
    """
    limit = pipeline.tokenizer.model_max_length
    for prompt in prompts:
        count = len(pipeline.tokenizer(prompt, truncation=False).input_ids)
        if count > limit:
            raise PromptTooLongError(
                f"prompt {prompt[:60]!r}… has {count} tokens and the text encoder reads {limit}; shorten it by about "
                f"{count - limit} tokens"
            )
