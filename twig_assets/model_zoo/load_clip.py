"""Opening the embedded CLIP."""

from pathlib import Path

import torch
from transformers import CLIPModel, CLIPProcessor

from twig_assets.model_zoo.errors import ModelError

WEIGHTS = Path(__file__).parent / "weights"


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
