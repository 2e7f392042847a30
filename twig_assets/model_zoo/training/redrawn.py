"""Views of the art as the generator draws them: with its faults, and with a content that is known all the same.

A view is noised part of the way and denoised with its own caption (SDEdit, Meng et al. 2022, arXiv 2108.01073). What it
shows still comes from the drawing, so that its name can be relied on, while lines, colours and softness are the
generator's. A judge that saw nothing but clean drawings names four of ten right pictures of the generator wrongly.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from twig_assets.files import written_whole
from twig_assets.model_zoo import load_pipeline
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, concept_names, sprites, training_pairs, view
from twig_assets.model_zoo.training.captions import caption

_BATCH = 32
_GUIDANCE = 3.0
_STEPS = 14


def redrawn_views(
    path: Path, count: int, depth: tuple[float, float], scale: tuple[float, float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A pool of redrawn views, read from a file that is made when it is not there.

    Args:
        path: The pool, a `.npz`.
        count: How many views.
        depth: Least and greatest share of the noise's schedule to which a view is noised.
        scale: Smallest and largest side of a drawing as a share of the frame.
        seed: Seeds views, captions and noise.

    Returns:
        Pictures uint8 (count, H, W, 3) and (name, style, ground) as indices: int64 (count, 3).
    """
    if not path.exists():
        pipeline = load_pipeline()
        batches = [_batch(pipeline, depth, scale, (seed, 12, index)) for index in range(-(-count // _BATCH))]
        pictures, labels = (np.concatenate(parts)[:count] for parts in zip(*batches, strict=True))
        with written_whole(path) as partial, partial.open("wb") as file:
            np.savez(file, pictures=pictures, labels=labels)
    with np.load(path) as pool:
        return pool["pictures"], pool["labels"]


def _batch(
    pipeline: StableDiffusionPipeline, depth: tuple[float, float], scale: tuple[float, float], seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pairs, grounds = training_pairs(), list(BACKGROUNDS)
    picked = [pairs[i] for i in rng.integers(len(pairs), size=_BATCH)]
    views = [view(sprites()[pair], rng, scale) for pair in picked]
    captions = [caption(name, style, v.background, rng) for (name, style), v in zip(picked, views, strict=True)]
    pictures = redrawn(pipeline, np.stack([v.image for v in views]), captions, rng.uniform(*depth), rng)
    labels = [
        (concept_names().index(name), STYLES.index(style), grounds.index(v.background))
        for (name, style), v in zip(picked, views, strict=True)
    ]
    return pictures, np.array(labels)


@torch.no_grad()
def redrawn(
    pipeline: StableDiffusionPipeline,
    images: np.ndarray,
    captions: list[str],
    depth: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Images noised to a share of the schedule and denoised with their captions: uint8 of the same shape.

    Args:
        pipeline: The generator, with an AutoencoderTiny.
        images: uint8 (n, H, W, 3).
        captions: n captions.
        depth: 0 leaves them as the autoencoder has them, 1 draws anew.
        rng: Source of the noise.
    """
    vae, unet, scheduler = pipeline.vae, pipeline.unet, copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(_STEPS)
    latents = vae.encode(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1).latents
    latents = latents * vae.config.scaling_factor
    noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
    prompted, without = pipeline.encode_prompt(captions, "cpu", 1, True)
    text = torch.cat([without, prompted])
    first = round(_STEPS * (1 - depth))
    for index, timestep in enumerate(scheduler.timesteps[first:]):
        if index == 0:
            scheduler.set_begin_index(first)
            latents = scheduler.add_noise(latents, noise, timestep.repeat(len(latents)))
        predicted = unet(torch.cat([latents, latents]), timestep, text).sample
        unguided, guided = predicted.chunk(2)
        guided = unguided + _GUIDANCE * (guided - unguided)
        latents = scheduler.step(guided, timestep, latents).prev_sample
    pixels = vae.decode(latents / vae.config.scaling_factor).sample
    return (pixels / 2 + 0.5).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
