"""The strategy `vacate`: clear the first image's shape out of the predicted clean image while places are decided.

TWIG (arXiv 2504.14933) asks for an image anew "while avoiding the shape in question" and leaves open how. Here the
predicted clean latents inside the mask are pulled to what surrounds the mask, early in the denoising: the network is
told that the place is empty and draws the object where there is room. Nothing of the first image is kept.
"""

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.regeneration.steering import Steer
from twig_assets.settings.regeneration import RegenerationSettings


def latent_mask(masks: np.ndarray, size: tuple[int, int], dilation: int) -> torch.Tensor:
    """Masks on the latent grid.

    Args:
        masks: bool array of shape (n, H, W).
        size: Height and width of the latents.
        dilation: Cells by which to grow the mask.

    Returns:
        float tensor of shape (n, 1, h, w) of zeros and ones: one where at least a quarter of the cell is masked.
    """
    share = F.interpolate(torch.from_numpy(masks).float()[:, None], size=size, mode="area")
    cells = (share >= 0.25).float()
    if dilation:
        cells = F.max_pool2d(cells, 2 * dilation + 1, stride=1, padding=dilation)
    return cells


def surroundings(clean: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Median latent outside the mask, per image and channel: (n, C, 1, 1). The median is the ground, not the object."""
    n, channels = clean.shape[:2]
    values = clean.masked_fill(mask.bool().expand_as(clean), float("nan")).reshape(n, channels, -1)
    return values.nanmedian(dim=-1).values.nan_to_num(0.0)[..., None, None]


def vacate(mask: torch.Tensor, settings: RegenerationSettings) -> Steer:
    """A steering function for `steered`: acts until the share `settings.until` of the steps is done."""

    def steer(clean: torch.Tensor, progress: float) -> torch.Tensor:
        if progress >= settings.until or settings.strength == 0:
            return clean
        inside = mask.to(clean)
        return clean + settings.strength * inside * (surroundings(clean, inside) - clean)

    return steer
