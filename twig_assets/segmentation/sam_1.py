"""Asking a Segment Anything of the first generation (Kirillov et al. 2023, arXiv 2304.02643)."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from twig_assets.segmentation.mask_decoder import decode


class SamMasks:
    """See `MaskPredictor`. Its images are squares, smaller ones at the upper left.

    Args:
        sam: The model.
        size: Height and width of the images.
    """

    def __init__(self, sam: Sam, size: tuple[int, int]) -> None:
        self._sam, self._size, self._predictor = sam, size, SamPredictor(sam)
        self.cut = float(sam.mask_threshold)
        self._positions = sam.prompt_encoder.get_dense_pe()[0]
        self._embedding = torch.zeros(())

    def embedded_points(self, points: np.ndarray) -> torch.Tensor:
        """See `MaskPredictor`."""
        at = self._predictor.transform.apply_coords(points, self._size)
        coordinates = torch.as_tensor(at, device=self._sam.device)[:, None]
        labels = torch.ones(coordinates.shape[:2], dtype=torch.int, device=self._sam.device)
        prompts: torch.Tensor = self._sam.prompt_encoder(points=(coordinates, labels), boxes=None, masks=None)[0]
        return prompts

    def look_at(self, image: np.ndarray) -> None:
        """See `MaskPredictor`."""
        self._predictor.set_image(image)
        encoder = self._sam.prompt_encoder
        dense = encoder.no_mask_embed.weight.reshape(-1, 1, 1)
        self._embedding = self._predictor.get_image_embedding()[0] + dense

    def answers(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `MaskPredictor`."""
        logits, iou = decode(self._sam.mask_decoder, self._embedding, self._positions, prompts)
        return logits.flatten(0, 1), iou.flatten(0, 1)

    def at_size(self, logits: torch.Tensor) -> torch.Tensor:
        """See `MaskPredictor`."""
        side = self._sam.image_encoder.img_size
        height, width = self._predictor.input_size
        square = resized(logits, (side, side))
        return resized(square[:, :height, :width], self._size)

    def pointed_at(self, prompt: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """See `MaskPredictor`."""
        given: dict[str, Any] = dict(prompt)
        if "point_coords" in given:
            given["point_labels"] = np.ones(len(given["point_coords"]), int)
        masks, ratings, _ = self._predictor.predict(**given, multimask_output=True)
        return masks, ratings


def resized(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Logits (m, h, w) at another height and width."""
    if logits.shape[1:] == size:
        return logits
    return F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]
