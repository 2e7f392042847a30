"""How alike CLIP takes images and texts to be."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from transformers import CLIPModel, CLIPProcessor

Clip: TypeAlias = tuple[CLIPModel, CLIPProcessor]
_BATCH = 64


@torch.no_grad()
def image_features(clip: Clip, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Unit vectors (n, d) of n images, uint8 (H, W, 3) of any size."""
    model, processor = clip
    parts = []
    for at in range(0, len(images), _BATCH):
        inputs = processor(images=list(images[at : at + _BATCH]), return_tensors="pt").to(model.device)
        pooled = model.vision_model(**inputs).pooler_output
        parts.append(torch.nn.functional.normalize(model.visual_projection(pooled), dim=-1).float().cpu().numpy())
    return np.concatenate(parts)


@torch.no_grad()
def text_features(clip: Clip, texts: Sequence[str]) -> np.ndarray:
    """Unit vectors (n, d) of texts; what CLIP cannot read of a long one is cut off."""
    model, processor = clip
    parts = []
    # Thousands of texts at once no longer fit into a processor's cache, which takes twice the time.
    for at in range(0, len(texts), _BATCH):
        inputs = processor(text=list(texts[at : at + _BATCH]), return_tensors="pt", padding=True, truncation=True)
        pooled = model.text_model(**inputs.to(model.device)).pooler_output
        parts.append(torch.nn.functional.normalize(model.text_projection(pooled), dim=-1).float().cpu().numpy())
    return np.concatenate(parts)
