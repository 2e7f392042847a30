"""Opening the embedded text-to-image model."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from twig_assets.model_zoo.errors import ModelError

WEIGHTS = Path(__file__).parent / "weights"


def load_pipeline(folder: Path | None = None) -> StableDiffusionPipeline:
    """The embedded Stable Diffusion pipeline in fp32: 64 x 64 px, 32 text tokens, v-prediction, DPM-Solver++.

    Args:
        folder: Another pipeline that `save_pretrained` wrote; the embedded one when None.

    Raises:
        ModelError: If the folder holds no such pipeline that can be read.
    """
    source = folder or WEIGHTS / "pipeline"
    if not (source / "model_index.json").is_file():
        raise ModelError(f"{source} holds no pipeline (model_index.json is missing); install the package again")
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    except Exception as error:  # diffusers, transformers and safetensors raise many unrelated types
        raise ModelError(f"{source} cannot be read as a pipeline: {error}; install the package again") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
