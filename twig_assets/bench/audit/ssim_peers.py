"""SSIM as other libraries compute it, with the same window, so that the scores can be compared as well as the cost."""

from collections.abc import Callable

import numpy as np

from twig_assets.similarity import wang_ssim
from twig_assets.similarity.structural.pictures import BORDER

Peer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Scores of the pairs of two uint8 stacks of shape (n, H, W, 3)."""

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class MissingPeerError(ImportError):
    """A library that is compared with is not installed."""


def peers() -> dict[str, Peer]:
    """Each library by name, on one thread; scikit-image is the one whose numbers count.

    Raises:
        MissingPeerError: If one is not installed.
    """
    import cv2
    import torch

    try:
        import pytorch_msssim
    except ImportError as error:
        raise MissingPeerError(f"{error.name}: not installed; pip install 'twig-assets[bench]'") from error
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    def torch_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        x, y = (torch.from_numpy(stack).permute(0, 3, 1, 2).float() for stack in (a, b))
        with torch.inference_mode():
            return np.asarray(pytorch_msssim.ssim(x, y, data_range=255, size_average=False))

    window = cv2.getGaussianKernel(2 * BORDER + 1, 1.5, cv2.CV_32F)

    def blurred(picture: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(picture, cv2.CV_32F, window, window)

    def opencv_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([_ssim(x.astype(np.float32), y.astype(np.float32), blurred) for x, y in zip(a, b, strict=True)])

    return {"scikit-image": _scikit_image, "pytorch-msssim": torch_ssim, "opencv": opencv_ssim}


def _scikit_image(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([wang_ssim(x, y) for x, y in zip(a, b, strict=True)])


def _ssim(x: np.ndarray, y: np.ndarray, blurred: Callable[[np.ndarray], np.ndarray]) -> float:
    """Wang et al. 2004, equation 13, from five filtered pictures."""
    mean_x, mean_y = blurred(x), blurred(y)
    variances = blurred(x * x) + blurred(y * y) - mean_x**2 - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    ssim_of_pixels = above / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2))
    return float(ssim_of_pixels[BORDER:-BORDER, BORDER:-BORDER].mean(dtype=np.float64))
