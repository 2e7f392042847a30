"""The model families that are known from the start: one file each, named here so that it registers itself."""

from twig_assets.generation.families import (
    flux,
    flux_2_klein,
    pixart_sigma,
    qwen_image,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_xl,
    z_image,
)

__all__ = [
    "flux",
    "flux_2_klein",
    "pixart_sigma",
    "qwen_image",
    "stable_diffusion",
    "stable_diffusion_3",
    "stable_diffusion_xl",
    "z_image",
]
