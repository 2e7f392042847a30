"""Structural similarity as Wang et al. define it.

Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 13(4), 2004, equation 13: an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.
scikit-image gives the same when every setting is spelled out; the tests hold this to it.
"""

import numpy as np

from twig_assets.similarity.structural.exact import map_of_pair, statistics
from twig_assets.similarity.structural.pictures import check_comparable, check_pictures


def wang_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM of two pictures over all pixels but a 5 px border, and over the channels.

    Args:
        a: uint8 array of shape (H, W, 3), or (H, W) for grey, at least 11 px on each side.
        b: Like `a`.

    Returns:
        1 for equal pictures, about 0 for unrelated texture, down to -1.

    Raises:
        ValueError: If shapes or types are other than this.
    """
    return float(ssim_map(a, b).mean())


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of the window round every pixel, averaged over the channels, without the 5 px border.

    Args:
        a: uint8 array of shape (H, W, 3), or (H, W) for grey, at least 11 px on each side.
        b: Like `a`.

    Returns:
        float64 array of shape (H - 10, W - 10) with values from -1 to 1.

    Raises:
        ValueError: If shapes or types are other than this.
    """
    return np.asarray(ssim_of_channels(a, b).mean(axis=-1))


def ssim_of_channels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Like `ssim_map`, channel by channel: float64 array of shape (H - 10, W - 10, 3), or (H - 10, W - 10, 1)."""
    check_pictures("a", a[None])
    check_pictures("b", b[None])
    check_comparable(a[None], b[None])
    return np.ascontiguousarray(np.moveaxis(map_of_pair(statistics(a), statistics(b)), 0, -1))
