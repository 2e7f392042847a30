"""Structural similarity as Wang et al. define it, computed by scikit-image.

Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 13(4), 2004, equation 13: an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.
scikit-image does something else by default, so every setting is spelled out here, once.
"""

import numpy as np
from skimage.metrics import structural_similarity

from twig_assets.similarity.structural.pictures import BORDER, check_comparable, check_pictures, with_channels


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
    return _full_map(with_channels(a[None])[0], with_channels(b[None])[0])


# Up to about this many values the channels of a pair are quicker compared in one call than in one call each.
_ONE_CALL = 128 * 128 * 3


def _full_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    height, width, channels = a.shape
    if a.size <= _ONE_CALL:
        # Below each other: windows that reach into the next channel lie in the border that is cut off.
        full = _compared(_below_each_other(a), _below_each_other(b)).reshape(channels, height, width)
        full = np.moveaxis(full, 0, -1)
    else:
        full = _compared(a, b, channel_axis=-1)
    return np.asarray(full[BORDER:-BORDER, BORDER:-BORDER])


def _below_each_other(picture: np.ndarray) -> np.ndarray:
    return np.moveaxis(picture, -1, 0).reshape(-1, picture.shape[1])


def _compared(a: np.ndarray, b: np.ndarray, channel_axis: int | None = None) -> np.ndarray:
    _, full = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=channel_axis,
        full=True,
    )
    return full
