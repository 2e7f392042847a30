"""The model families that are known from the start: one file each, named here so that it registers itself."""

from twig_assets.generation.families import stable_diffusion, stable_diffusion_xl

__all__ = ["stable_diffusion", "stable_diffusion_xl"]
