"""Open an embedded text-to-image pipeline."""

from pathlib import Path
from typing import Literal, overload

from diffusers import StableDiffusion3Pipeline, StableDiffusionPipeline

from twig_assets.model_zoo.load_flow import load_flow
from twig_assets.model_zoo.loading import load_diffusion


@overload
def load_pipeline(model: Literal["flow"]) -> StableDiffusion3Pipeline: ...


@overload
def load_pipeline(model: Literal["diffusion"] | Path | None = None) -> StableDiffusionPipeline: ...


def load_pipeline(
    model: Literal["diffusion", "flow"] | Path | None = None,
) -> StableDiffusionPipeline | StableDiffusion3Pipeline:
    """An embedded text-to-image pipeline in fp32: 64 x 64 px, 32 text tokens.

    Args:
        model: `diffusion`, or None, is the Stable Diffusion pipeline (U-Net, v-prediction, DPM-Solver++); `flow` the
            one of the kind of Stable Diffusion 3 (joint attention, flow matching, Euler's steps, no T5); a folder is
            that of another Stable Diffusion pipeline that `save_pretrained` wrote.

    Raises:
        ValueError: If there is no embedded model of this name.
        ModelError: If the weights are missing or cannot be read.
    """
    if model == "flow":
        return load_flow()
    if model is None or model == "diffusion":
        return load_diffusion()
    if isinstance(model, Path):
        return load_diffusion(model)
    raise ValueError(f"there is no embedded pipeline {model!r}; choose diffusion or flow, or give a folder")
