"""Masks on the latent grid, and the ground of latents and pictures."""

import numpy as np
import torch
import torch.nn.functional as F


def grown(masks: np.ndarray, by: int) -> np.ndarray:
    """Masks bool (n, H, W) grown by `by` pixels to all sides."""
    wide = F.max_pool2d(torch.from_numpy(masks).float()[:, None], 2 * by + 1, stride=1, padding=by)
    return wide[:, 0].bool().numpy()


def latent_mask(masks: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Masks on the latent grid.

    Args:
        masks: bool array of shape (n, H, W).
        size: Height and width of the latents.

    Returns:
        float tensor of shape (n, 1, h, w) of zeros and ones: one where at least a quarter of the cell is masked.
    """
    share = F.interpolate(torch.from_numpy(masks).float()[:, None], size=size, mode="area")
    return (share >= 0.25).float()


def surroundings(clean: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Median latent outside the mask, per image and channel: (n, C, 1, 1). The median is the ground, not the object."""
    n, channels = clean.shape[:2]
    values = clean.masked_fill(mask.bool().expand_as(clean), float("nan")).reshape(n, channels, -1)
    return values.nanmedian(dim=-1).values.nan_to_num(0.0)[..., None, None]


def ground(clean: torch.Tensor) -> torch.Tensor:
    """Median latent, or colour, along the frame's edge, per image and channel: (n, C, 1, 1)."""
    return edge(clean).median(-1).values[..., None, None]


def edge(clean: torch.Tensor) -> torch.Tensor:
    """Latents, or colours, along the frame's edge: (n, C, cells)."""
    return torch.cat([clean[..., 0, :], clean[..., -1, :], clean[..., 1:-1, 0], clean[..., 1:-1, -1]], -1)
