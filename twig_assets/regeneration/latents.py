"""Images and masks on the latent grid, and what of them is ground."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from twig_assets.generation import Pipeline


def encode(pipeline: Pipeline, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Images as the denoiser sees them, float32 (n, C, h, w).

    Args:
        pipeline: Whose autoencoder to use.
        images: n uint8 arrays of shape (H, W, 3); those of another size are resized.
        size: Height and width in pixels.
    """
    pixels = np.stack([_resized(image, size) for image in images])
    vae = pipeline.vae
    inputs = torch.from_numpy(pixels).to(vae.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad(), _wide(vae):
        encoded = vae.encode(inputs.to(vae.dtype))
    # AutoencoderTiny has latents, AutoencoderKL a distribution of them.
    latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
    return latents.float() * vae.config.scaling_factor


def decode(pipeline: Pipeline, latents: torch.Tensor) -> torch.Tensor:
    """The reverse of `encode`: pictures, float32 (n, 3, H, W), 0 to 1."""
    vae = pipeline.vae
    with torch.no_grad(), _wide(vae):
        pixels = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype)).sample
    return (pixels.float() / 2 + 0.5).clamp(0, 1)


@contextmanager
def _wide(vae: Any) -> Iterator[None]:
    """In single precision meanwhile, if in half precision it says that it overflows: that of Stable Diffusion XL."""
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


def grown(masks: np.ndarray, by: int) -> np.ndarray:
    """Masks bool (n, H, W) grown by so many pixels to all sides."""
    wide = F.max_pool2d(torch.from_numpy(masks).float()[:, None], 2 * by + 1, stride=1, padding=by)
    return wide[:, 0].bool().numpy()


def latent_mask(masks: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Masks on the latent grid.

    Args:
        masks: bool array of shape (n, H, W).
        size: Height and width of the latents.

    Returns:
        float tensor of shape (n, 1, h, w) of zeros and ones: one where at least a quarter of the cell is masked.
    """
    share = F.interpolate(torch.from_numpy(masks).float()[:, None], size=size, mode="area")
    return (share >= 0.25).float()


def surroundings(clean: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Median latent outside the mask, per image and channel: (n, C, 1, 1). The median is the ground, not the object."""
    n, channels = clean.shape[:2]
    values = clean.masked_fill(mask.bool().expand_as(clean), float("nan")).reshape(n, channels, -1)
    return values.nanmedian(dim=-1).values.nan_to_num(0.0)[..., None, None]


def ground(clean: torch.Tensor) -> torch.Tensor:
    """Median latent, or colour, along the frame's edge, per image and channel: (n, C, 1, 1)."""
    edges = [clean[..., 0, :], clean[..., -1, :], clean[..., 1:-1, 0], clean[..., 1:-1, -1]]
    return torch.cat(edges, -1).median(-1).values[..., None, None]
