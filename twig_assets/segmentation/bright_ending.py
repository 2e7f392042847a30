"""Masks without a segmenter: where a picture is known by heart.

Chen et al. 2025, "Exploring Local Memorization in Diffusion Models via Bright Ending Attention" (arXiv 2410.21665): in
the last denoising steps, memorised places pay unusually much cross-attention to the prompt's end token.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.attention import WatchingProcessor, cross_attention
from twig_assets.generation.generate import image_size, sample
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
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        seeds: The n seeds that the images were drawn from, which gives the same images.
        generation: The sampler's settings; the defaults when None.
        settings: `max_area` and `feather` count; the defaults when None.

    Returns:
        One result per image, in order, `ok` or `full`, with nothing ranked; and float32 (n,), how bright the ending is:
        the mean attention to the end token, 0 to 1. How much is unusual depends on the model, so compare prompts.
    """
    generation, settings = generation or GenerationSettings(), settings or SegmentationSettings()
    size = image_size(pipeline, generation)
    results, brightness = [], []
    for start in range(0, len(prompts), generation.batch_size):
        chunk = slice(start, start + generation.batch_size)
        for one in _endings(pipeline, prompts[chunk], seeds[chunk], generation, size):
            brightness.append(float(one.mean()))
            mask = one > one.max() / 2
            full = mask.mean() >= settings.max_area
            mask = np.ones_like(mask) if full else mask
            soft = feathered(mask, settings.feather)
            results.append(Segmentation("full" if full else "ok", mask, soft, float(mask.mean()), []))
    return results, np.array(brightness, np.float32)


def _endings(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    generation: GenerationSettings,
    size: tuple[int, int],
) -> np.ndarray:
    """Attention to the end token in the last step, mean of all layers: float32 (n, H, W)."""
    seen: list[torch.Tensor] = []
    with cross_attention(pipeline.unet, lambda inner: WatchingProcessor(inner, seen.append)):
        sample(pipeline, prompts, seeds, generation)
        layers = sum(name.endswith("attn2.processor") for name in pipeline.unet.attn_processors)
    ends = torch.tensor([len(pipeline.tokenizer(prompt).input_ids) - 1 for prompt in prompts])
    maps = [_to_end(one[-len(prompts) :], ends, size) for one in seen[-layers:]]
    return torch.stack(maps).mean(0).numpy()


def _to_end(attention: torch.Tensor, ends: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    paid = attention[torch.arange(len(ends)), :, ends.to(attention.device)].float().cpu()
    rows = round((paid.shape[1] * size[0] / size[1]) ** 0.5)
    grid = paid.reshape(len(paid), 1, rows, -1)
    return F.interpolate(grid, size=size, mode="bilinear", align_corners=False)[:, 0]
