"""Open the embedded CLIP and the embedded diffusion pipeline, in the formats of transformers and diffusers."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPModel, CLIPProcessor

WEIGHTS = Path(__file__).parent / "weights"


class ModelError(ValueError):
    """A checkpoint is missing, unreadable or of the wrong kind; the message names the file and what to do."""


def load_clip(folder: Path | None = None) -> tuple[CLIPModel, CLIPProcessor]:
    """The CLIP model in eval mode and fp32, and its processor for 64 px images.

    Args:
        folder: Another CLIP that `save_pretrained` wrote; the embedded one when None.

    Raises:
        ModelError: If the folder holds no CLIP model that can be read.
    """
    source = folder or WEIGHTS / "clip"
    if not (source / "config.json").is_file():
        raise ModelError(f"{source} holds no CLIP model (config.json is missing); install the package again")
    try:
        model = CLIPModel.from_pretrained(source, dtype=torch.float32).eval()
        processor = CLIPProcessor.from_pretrained(source)
    except Exception as error:  # transformers and safetensors raise many unrelated types
        raise ModelError(f"{source} cannot be read as a CLIP model: {error}; install the package again") from error
    return model, processor


def load_diffusion(folder: Path | None = None) -> StableDiffusionPipeline:
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
