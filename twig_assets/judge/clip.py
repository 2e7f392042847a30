"""How alike a CLIP or SigLIP takes images and texts to be.

These are the two functions that every judge has to have; nothing else asks a model of this kind for anything.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

# A model of transformers that has `get_image_features` and `get_text_features`, and its processor.
Clip: TypeAlias = tuple[Any, Any]
_BATCH = 64


@torch.no_grad()
def image_features(clip: Clip, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Unit vectors (n, d) of n images, uint8 (H, W, 3) of any size."""
    model, processor = clip
    parts = []
    for at in range(0, len(images), _BATCH):
        inputs = processor(images=list(images[at : at + _BATCH]), return_tensors="pt").to(model.device)
        parts.append(_unit(model.get_image_features(**inputs)))
    return np.concatenate(parts)


@torch.no_grad()
def text_features(clip: Clip, texts: Sequence[str]) -> np.ndarray:
    """Unit vectors (n, d) of texts; what the model cannot read of a long one is cut off."""
    model, processor = clip
    # A SigLIP was trained on texts of one length, and reads the padding.
    padding: Any = "max_length" if model.config.model_type.startswith("siglip") else True
    parts = []
    # Thousands of texts at once no longer fit into a processor's cache, which takes twice the time.
    for at in range(0, len(texts), _BATCH):
        inputs = processor.tokenizer(
            list(texts[at : at + _BATCH]),
            return_tensors="pt",
            padding=padding,
            truncation=True,
            max_length=_longest(clip),
        ).to(model.device)
        parts.append(_unit(model.get_text_features(**inputs)))
    return np.concatenate(parts)


def _longest(clip: Clip) -> int:
    """How many tokens of a text the model reads."""
    model, processor = clip
    positions = getattr(model.config.text_config, "max_position_embeddings", None)
    return min(int(processor.tokenizer.model_max_length), int(positions or 1 << 20))


def _unit(features: Any) -> np.ndarray:
    """Unit vectors (n, d) of what a model gave: a tensor, or an output that holds it as `pooler_output`."""
    vectors: torch.Tensor = features if isinstance(features, torch.Tensor) else features.pooler_output
    units: np.ndarray = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return units
