"""Structural similarity as Wang et al. define it, computed by scikit-image.

Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 13(4), 2004, equation 13: an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.
scikit-image does something else by default, so every setting is spelled out here, once.
"""

import numpy as np
from skimage.metrics import structural_similarity

from twig_assets.similarity.pictures import BORDER, check_comparable, check_pictures, with_channels


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
    check_pictures("a", a[None])
    check_pictures("b", b[None])
    check_comparable(a[None], b[None])
    return _full_map(with_channels(a[None])[0], with_channels(b[None])[0])


def _full_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    _, full = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return np.asarray(full[BORDER:-BORDER, BORDER:-BORDER]).mean(axis=-1)
