"""TWIG's second step: the same prompt anew, away from the first image's shape."""

from collections.abc import Callable, Sequence

import numpy as np

from twig_assets.generation import GenerationSettings, Pipeline, check_lengths
from twig_assets.generation.generate import image_size, reduction, sample
from twig_assets.regeneration.steering import steered
from twig_assets.regeneration.vacate import latent_mask, vacate
from twig_assets.settings.regeneration import RegenerationSettings


def regenerate(
    pipeline: Pipeline,
    prompts: Sequence[str],
    images: np.ndarray,
    masks: np.ndarray,
    seeds: Sequence[int],
    settings: RegenerationSettings | None = None,
    generation: GenerationSettings | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Sample one new image per prompt that avoids the mask of the first one.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        images: uint8 (n, H, W, 3), the first images.
        masks: bool (n, H, W), true where the first image's shape is.
        seeds: n seeds. The new image starts from its own noise, so give another seed than the first image had.
        settings: How to avoid; the defaults when None. With strength 0 the result is the plain sampler's, to the byte.
        generation: The sampler's settings; the defaults when None.
        on_progress: Called with the number of images done so far.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        ValueError: If the numbers or sizes of prompts, images, masks and seeds do not agree, or a mask is empty.
        UnsupportedSchedulerError: If the pipeline's scheduler cannot be steered.
    """
    settings, generation = settings or RegenerationSettings(), generation or GenerationSettings()
    check_lengths(pipeline, prompts)
    _check_masks(prompts, images, masks, seeds, image_size(pipeline, generation))
    parts = []
    for start in range(0, len(prompts), generation.batch_size):
        chunk = slice(start, start + generation.batch_size)
        used = pipeline
        if settings.strength > 0:
            height, width = image_size(pipeline, generation)
            cells = (height // reduction(pipeline), width // reduction(pipeline))
            used = steered(pipeline, vacate(latent_mask(masks[chunk], cells, settings.dilation), settings))
        parts.append(sample(used, prompts[chunk], seeds[chunk], generation))
        if on_progress:
            on_progress(min(start + generation.batch_size, len(prompts)))
    return np.concatenate(parts) if parts else images


def _check_masks(
    prompts: Sequence[str], images: np.ndarray, masks: np.ndarray, seeds: Sequence[int], size: tuple[int, int]
) -> None:
    if not len(prompts) == len(images) == len(masks) == len(seeds):
        raise ValueError(
            f"{len(prompts)} prompts, {len(images)} images, {len(masks)} masks and {len(seeds)} seeds; give one of "
            f"each for every image"
        )
    if masks.shape[1:] != size or images.shape[1:3] != size:
        raise ValueError(f"images {images.shape[1:3]} and masks {masks.shape[1:]} must have the model's size {size}")
    for i, mask in enumerate(masks):
        if not mask.any():
            raise ValueError(f"mask {i} ({prompts[i]!r}) is empty; there is no shape to avoid")
