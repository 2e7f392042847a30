"""CLIP as a further source of candidates. It never fails an image: it finds the same subject, not the same picture.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.networks import unit_vector

EMBEDDED = "embedded"


class Clip(Source):
    """Pictures by their CLIP vectors."""

    descriptor = "clip"
    search = "cosine"

    def __init__(self, model: Any, processor: Any) -> None:
        """Hold an opened CLIP and its processor."""
        self._model, self._processor = model, processor

    @classmethod
    def opened(cls, policy: Mapping[str, Any]) -> "Clip | None":
        """The CLIP that a policy names: `embedded`, or a folder; None when it names none."""
        folder = policy.get("clip")
        if folder is None:
            return None
        from twig_assets.model_zoo import load_clip

        return cls(*load_clip(None if folder == EMBEDDED else Path(folder)))

    @property
    def identity(self) -> None:
        """Not known here: another model may be opened by the same name."""

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """The vector of a picture: float32 of unit length."""
        import torch

        given = self._processor(images=Image.fromarray(picture), return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model.vision_model(pixel_values=given["pixel_values"]).pooler_output
            vector = self._model.visual_projection(hidden)
        return unit_vector(vector.float().numpy()[0])
