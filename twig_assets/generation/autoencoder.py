"""Images to latents and back, by an image autoencoder of diffusers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image


def image_latents(
    vae: Any, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int], scaled: bool = True
) -> torch.Tensor:
    """Images as latents, float32 (n, C, h, w).

    Args:
        vae: An AutoencoderKL or AutoencoderTiny.
        images: n uint8 arrays of shape (H, W, 3); those of another size are resized.
        size: Height and width in pixels.
        scaled: Whether as a denoiser sees them: times the autoencoder's `scaling_factor`.
    """
    latents = encoded_images(vae, images, size)
    return latents * vae.config.scaling_factor if scaled else latents


def encoded_images(
    vae: Any,
    images: Sequence[np.ndarray] | np.ndarray,
    size: tuple[int, int],
    shaped: Callable[[torch.Tensor], torch.Tensor] = lambda pixels: pixels,
) -> torch.Tensor:
    """What an autoencoder makes of images, float32; `shaped` brings pixels (n, 3, H, W) into the form that it takes."""
    pixels = np.stack([_resized(image, size) for image in images])
    inputs = torch.from_numpy(pixels).to(vae.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad(), single_precision(vae):
        encoded = vae.encode(shaped(inputs.to(vae.dtype)))
    # AutoencoderTiny has latents, the others a distribution of them.
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    return latents.float()


def pictures(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """The reverse of `image_latents`: pictures, float32 (n, 3, H, W), 0 to 1."""
    with torch.no_grad(), single_precision(vae):
        pixels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype)).sample
    return (pixels.float() / 2 + 0.5).clamp(0, 1)


@contextmanager
def single_precision(vae: Any) -> Iterator[None]:
    """While the block runs, a half-precision autoencoder whose configuration says that it overflows is in float32."""
    dtype = vae.dtype
    if dtype != torch.float16 or not getattr(vae.config, "force_upcast", False):
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(dtype)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))
