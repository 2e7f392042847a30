"""Finding the object of a finished image, and moving it by pixels."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation, binary_fill_holes, binary_opening

from twig_assets.generation import ModelFamily
from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.placing import best_places

_OBJECT = 0.3


def objects(pictures: torch.Tensor) -> np.ndarray:
    """Where something shows in pictures (n, 3, H, W): bool (n, H, W), true where a colour is far from the ground.

    Specks are left out and holes filled, since a mask of Segment Anything has neither.
    """
    off = (pictures - ground(pictures)).square().sum(1).sqrt().cpu().numpy()
    shown = off > _OBJECT * np.quantile(off, 0.95, axis=(1, 2), keepdims=True)
    return np.stack([binary_fill_holes(binary_opening(outline, np.ones((2, 2)))) for outline in shown])


def outlines(family: ModelFamily, latents: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Where something shows in clean latents (n, C, h, w): bool (n, *size), from pictures of half the size.

    Half the size takes a quarter of the decoding, and shows a sketch's outline nearly as well.
    """
    shown = torch.from_numpy(objects(family.decode(F.avg_pool2d(latents, 2)))).float()
    return F.interpolate(shown[:, None], size=size)[:, 0].bool().numpy()


def moved(images: np.ndarray, masks: np.ndarray, edge_cost: float, margin: int) -> np.ndarray:
    """Images with their objects where they meet the masks least; an object that fills the frame stays where it is.

    Args:
        images: uint8 (n, H, W, 3).
        masks: bool (n, H, W), what to avoid.
        edge_cost: As in `best_places`.
        margin: As in `best_places`, in pixels.

    Returns:
        uint8 of the same shape.
    """
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    shapes, grounds = objects(pictures), (ground(pictures) * 255).round().byte().numpy()
    results = []
    for image, mask, shape, uncovered in zip(images, masks, shapes, grounds, strict=True):
        best = best_places(shape[None], mask[None], 1, edge_cost, margin)
        results.append(slid(image, int(best.down[0, 0]), int(best.right[0, 0]), shape, uncovered.reshape(3)))
    return np.stack(results)


def slid(image: np.ndarray, down: int, right: int, shape: np.ndarray, uncovered: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) moved by whole pixels; what it leaves bare mirrors what is next to it, but for the object.

    Args:
        image: The image to move, uint8 (H, W, 3).
        down: By how many pixels it is moved down; negative for up.
        right: By how many pixels it is moved to the right; negative for left.
        shape: bool (H, W), the object.
        uncovered: The colour (3,) that comes up where the object would be mirrored.
    """
    rows, columns = _mirrored(image.shape[0], down), _mirrored(image.shape[1], right)
    # A thirty-second of the image, since thin or pale parts of the object lie outside its outline.
    near = binary_dilation(shape, iterations=max(1, len(shape) // 32))
    bare = (rows != np.arange(len(rows)) - down)[:, None] | (columns != np.arange(len(columns)) - right)
    sources = np.ix_(rows, columns)
    return np.where((bare & near[sources])[..., None], uncovered, image[sources])


def _mirrored(length: int, by: int) -> np.ndarray:
    return np.pad(np.arange(length), abs(by), mode="reflect")[abs(by) - by :][:length]
