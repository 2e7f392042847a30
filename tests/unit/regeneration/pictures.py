"""Synthetic pictures whose object is known, for tests of moving."""

import numpy as np
import torch


def box(top, left, height=16, width=16, size=64):
    """A box as bool (size, size)."""
    mask = np.zeros((size, size), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def picture(shape):
    """Red where the shape bool (..., H, W) is, on plain light grey: float (..., 3, H, W), 0 to 1."""
    pixels = np.where(shape[..., None], np.float32([0.8, 0.1, 0.1]), np.float32([0.9, 0.9, 0.9]))
    return torch.from_numpy(np.moveaxis(pixels, -1, -3))


def bytes_of(pictures):
    """Pictures float (n, 3, H, W) as uint8 (n, H, W, 3)."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


def scene(shape):
    """Red where the shape bool (64, 64) is, on broad stripes of two colours: uint8 (64, 64, 3)."""
    stripes = np.where((np.arange(64) // 8 % 2)[:, None, None], np.uint8([40, 120, 60]), np.uint8([200, 210, 120]))
    return np.where(shape[..., None], np.uint8([204, 26, 26]), np.broadcast_to(stripes, (64, 64, 3)))
