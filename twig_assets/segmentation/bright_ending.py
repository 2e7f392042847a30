"""Masks without a segmenter: where a picture is memorised.

Chen et al. 2025, "Exploring Local Memorization in Diffusion Models via Bright Ending Attention" (arXiv 2410.21665): in
the last denoising steps, memorised places pay unusually much cross-attention to the prompt's end token.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.generation import Capability, GenerationSettings, ModelFamily, Pipeline, family_of
from twig_assets.generation.attention import WatchingProcessor
from twig_assets.generation.batching import at_once
from twig_assets.generation.sampling import image_size, sample
from twig_assets.generation.threads import enough_threads
from twig_assets.segmentation.result import Segmentation
from twig_assets.segmentation.segment import feathered
from twig_assets.settings.segmentation import SegmentationSettings


def bright_ending(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    generation: GenerationSettings | None = None,
    settings: SegmentationSettings | None = None,
) -> tuple[list[Segmentation], np.ndarray]:
    """Draw images again, and mask where the last step attends to the end token more than half as much as at its most.

    Args:
        pipeline: A text-to-image pipeline whose model has cross-attention.
        prompts: n prompts.
        seeds: The n seeds that the images were drawn from, which gives the same images.
        generation: The sampler's settings; the defaults when None.
        settings: Only `max_area` and `feather` have an effect; the defaults when None.

    Returns:
        One result per image, in order, `ok` or `full`, with nothing ranked; and float32 (n,), how bright the ending is:
        the mean attention to the end token, 0 to 1. How much is unusual depends on the model, so compare prompts.

    Raises:
        MissingCapabilityError: If the model has no cross-attention.
    """
    generation, settings = generation or GenerationSettings(), settings or SegmentationSettings()
    family = family_of(pipeline)
    family.require(Capability.CROSS_ATTENTION, "a mask by 'bright_ending'")
    results, brightness, size = [], [], at_once(family, generation)
    for start in range(0, len(prompts), size):
        batch = slice(start, start + size)
        with enough_threads(pipeline):
            maps = _end_attention(family, prompts[batch], seeds[batch], generation)
        for attention in maps:
            brightness.append(float(attention.mean()))
            mask = attention > attention.max() / 2
            full = mask.mean() >= settings.max_area
            mask = np.ones_like(mask) if full else mask
            soft = feathered(mask, settings.feather)
            results.append(Segmentation("full" if full else "ok", mask, soft, float(mask.mean()), []))
    return results, np.array(brightness, np.float32)


def _end_attention(
    family: ModelFamily, prompts: Sequence[str], seeds: Sequence[int], generation: GenerationSettings
) -> np.ndarray:
    """Attention to the end token in the last step, mean of all layers: float32 (n, H, W)."""
    attention: list[torch.Tensor] = []
    layers: list[WatchingProcessor] = []

    def watch(processor: Any) -> WatchingProcessor:
        layers.append(WatchingProcessor(processor, attention.append))
        return layers[-1]

    with family.cross_attention(watch):
        sample(family, prompts, seeds, generation)
    ends = torch.tensor([family.token_span(prompt, "")[1] for prompt in prompts])
    size = image_size(family, generation)
    maps = [_to_end(layer[-len(prompts) :], ends, size) for layer in attention[-len(layers) :]]
    return torch.stack(maps).mean(0).numpy()


def _to_end(attention: torch.Tensor, ends: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """What places pay to the end token at `ends` (n,), of attention (n, places, tokens), as pictures (n, *size)."""
    paid = attention[torch.arange(len(ends)), :, ends.to(attention.device)].float().cpu()
    rows = round((paid.shape[1] * size[0] / size[1]) ** 0.5)
    grid = paid.reshape(len(paid), 1, rows, -1)
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)[:, 0]
