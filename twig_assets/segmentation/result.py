"""What segmenting an image gives."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Outcome = Literal["ok", "empty", "full"]


@dataclass(frozen=True, eq=False)
class RankedMask:
    """One mask of an image.

    Attributes:
        mask: bool array of shape (H, W).
        bbox: x, y, width and height of its box, in pixels.
        area: Share of the image it covers, 0 to 1.
        predicted_iou: How good the model takes the mask to be, about 0 to 1.
        stability: IoU, 0 to 1, between a strict and a generous cut of the mask.
        score: How likely it is an object in the foreground, 0 to 1; 0 for background.
        foreground: Whether it is part of the image's object.
    """

    mask: np.ndarray
    bbox: tuple[int, int, int, int]
    area: float
    predicted_iou: float
    stability: float
    score: float
    foreground: bool


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The object of an image.

    Attributes:
        outcome: `ok`; `empty` when no object was found; `full` when the object covers nearly everything.
        mask: bool array of shape (H, W), the union of the foreground masks; all False when empty.
        soft_mask: float32 array of shape (H, W), `mask` with edges that fall from 1 to 0 across the feather's width.
        area: Share of the image that `mask` covers, 0 to 1.
        ranked: Every mask that was considered, the most likely object first.
    """

    outcome: Outcome
    mask: np.ndarray
    soft_mask: np.ndarray
    area: float
    ranked: list[RankedMask]
