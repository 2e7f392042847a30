"""Where the object of a picture is: by the mask of a segmenter, or by its colour where the ground is plain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_fill_holes, binary_opening

from twig_assets.generation import ModelFamily
from twig_assets.regeneration.latents import edge, ground

# Images, uint8 (n, H, W, 3) -> their objects, bool (n, H, W); all False where none was found, or it fills the frame.
Segment: TypeAlias = Callable[[np.ndarray], np.ndarray]
FoundBy: TypeAlias = Literal["colour", "mask"]

_OBJECT = 0.3
_MOST_OF_THE_EDGE = 2 / 3


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of n images.

    Attributes:
        shapes: bool (n, H, W).
        traces: bool (n, H, W), the objects, and where the ground is plain all else that does not have its colour, such
            as thin and pale parts.
        found_by: What found each of them.
        plain: bool (n,), whether the image's ground is plain.
    """

    shapes: np.ndarray
    traces: np.ndarray
    found_by: list[FoundBy]
    plain: np.ndarray


def find_objects(images: np.ndarray, segment: Segment | None, plain: float) -> Objects:
    """Find the object of every image.

    On plain ground the colour says where it is, at no cost. On any other ground it says nothing: on photographs, what
    differs in colour from the frame's edge is half of the frame or nearly all of it. So there the segmenter is asked,
    and the colour is used only where there is no segmenter, or it found nothing.

    Args:
        images: uint8 (n, H, W, 3).
        segment: The segmenter, if there is one.
        plain: As in `plain_grounds`.
    """
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    shapes, smooth = by_colour(pictures), plain_grounds(pictures, plain)
    found_by: list[FoundBy] = ["colour"] * len(images)
    asked = np.flatnonzero(~smooth)
    if segment is not None and len(asked):
        for i, mask in zip(asked, segment(images[asked]), strict=True):
            if mask.any():
                shapes[i], found_by[i] = mask, "mask"
    return Objects(shapes, shapes | (smooth[:, None, None] & (off_ground(pictures) > plain)), found_by, smooth)


def plain_grounds(pictures: torch.Tensor, plain: float) -> np.ndarray:
    """Whether pictures have a plain ground, bool (n,): two thirds of the frame's edge have one colour.

    What is left of the edge may be an object that the frame cuts.

    Args:
        pictures: float (n, 3, H, W), 0 to 1.
        plain: How far apart colours may be to count as one: their Euclidean distance, 0 to 1.73.
    """
    colours = edge(pictures)
    off = (colours - ground(pictures)[..., 0]).square().sum(1).sqrt()
    return (off.quantile(_MOST_OF_THE_EDGE, dim=1) <= plain).cpu().numpy()


def by_colour(pictures: torch.Tensor) -> np.ndarray:
    """Where something shows in pictures (n, 3, H, W): bool (n, H, W), true where a colour is far from the ground.

    Specks are left out and holes filled, since a mask of Segment Anything has neither.
    """
    off = off_ground(pictures)
    shown = off > _OBJECT * np.quantile(off, 0.95, axis=(1, 2), keepdims=True)
    return np.stack([binary_fill_holes(binary_opening(outline, np.ones((2, 2)))) for outline in shown])


def off_ground(pictures: torch.Tensor) -> np.ndarray:
    """How far the colours of pictures (n, 3, H, W) are from that of their ground: float (n, H, W), 0 to 1.73."""
    return (pictures - ground(pictures)).square().sum(1).sqrt().cpu().numpy()


def outlines(family: ModelFamily, latents: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Where something shows in clean latents (n, C, h, w): bool (n, *size), from pictures of half the size.

    Half the size takes a quarter of the decoding, and shows a sketch's outline nearly as well.
    """
    shown = torch.from_numpy(by_colour(family.decode(F.avg_pool2d(latents, 2)))).float()
    return F.interpolate(shown[:, None], size=size)[:, 0].bool().numpy()
