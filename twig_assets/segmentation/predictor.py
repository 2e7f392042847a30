"""What a segmenter of any kind is asked, and by whom it is answered."""

from typing import Protocol, TypeAlias

import numpy as np
import torch
from segment_anything.modeling import Sam

from twig_assets.segmentation.sam_1 import SamMasks
from twig_assets.segmentation.sam_2 import Sam2, Sam2Masks

Segmenter: TypeAlias = Sam | Sam2


class MaskPredictor(Protocol):
    """Finds masks in images of one size. An image is encoded once, whatever is asked about it afterwards.

    Attributes:
        cut: The logit above which a pixel belongs to a mask.
    """

    cut: float

    def embedded_points(self, points: np.ndarray) -> torch.Tensor:
        """Prompts (n, k, c) of points in pixels, float (n, 2), x and y, for every image of the size."""
        ...

    def look_at(self, image: np.ndarray) -> None:
        """Encode an image, uint8 (H, W, 3)."""
        ...

    def answers(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the three masks of each of n prompts, (3 n, h, w) as the model gives them, and their IoU (3 n,)."""
        ...

    def at_size(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (m, h, w) as the model gives them, at the image's own size, (m, H, W)."""
        ...

    def pointed_at(self, prompt: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The masks, bool (3, H, W), of a `box` (4,) or of `point_coords` (1, 2) in pixels, or of both; their IoU."""
        ...


def predictor_of(segmenter: Segmenter, size: tuple[int, int]) -> MaskPredictor:
    """What asks a segmenter about images of a height and width."""
    if isinstance(segmenter, Sam):
        return SamMasks(segmenter, size)
    return Sam2Masks(segmenter, size)
