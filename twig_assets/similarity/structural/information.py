"""Structural similarity weighted by local information: what two pictures share beyond plain ground.

On plain ground any two pictures score 1, so the mean of an SSIM map says mostly how much of both is plain. Weighted by
the information that a window holds, the map speaks of what is drawn.

Source: Wang and Li, "Information Content Weighting for Perceptual Image Quality Assessment", IEEE TIP 20(5), 2011, for
the weights, log(1 + variance / noise) of either picture; at one scale, with the noise that SSIM itself allows for, its
constant C2, and from the very means and variances that SSIM has computed. What two windows of these contrasts score
without anything in common, C2 / (sum of variances + C2), is taken off, as Cohen's kappa (1960) takes off what agrees by
chance: otherwise two dark photographs, all of whose windows have little contrast, would be alike.
"""

from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.structural.exact import C1 as C1
from twig_assets.similarity.structural.exact import C2 as C2
from twig_assets.similarity.structural.exact import statistics, sums_of_pair
from twig_assets.similarity.structural.pictures import check_comparable, check_pictures

LEAST = 1000.0
"""Information, in natural units summed over the pixels, that two pictures must hold to count as wholly alike."""

LEAST_PER_PIXEL = 0.3
"""The same for small pictures, per pixel. A smooth gradient holds less, a small drawing on a large sheet more."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Local statistics of a picture.

    Attributes:
        mean: float64 array of shape (H - 10, W - 10, channels), in SSIM's window round each pixel.
        variance: Likewise.
    """

    mean: np.ndarray
    variance: np.ndarray

    @property
    def information(self) -> np.ndarray:
        """What each window holds, 0 on plain ground."""
        return np.log1p(self.variance / C2)


def moments(picture: np.ndarray) -> Moments:
    """The local statistics of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3), or (H, W) for grey, at least 11 px on each side.
    """
    own = statistics(picture)
    return Moments(np.moveaxis(own.means, 0, -1), np.maximum(np.moveaxis(own.variances, 0, -1), 0))


def iw_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two pictures, weighted by local information and less what they would score by chance.

    Args:
        a: uint8 array of shape (H, W, 3), or (H, W) for grey, at least 11 px on each side.
        b: Like `a`.

    Returns:
        1 for equal pictures that show something, about 0 for unrelated ones, down to -1. Two pictures that hold less
        than `LEAST` information come to less than 1 in proportion.

    Raises:
        ValueError: If shapes or types are other than this.
    """
    check_pictures("a", a[None])
    check_pictures("b", b[None])
    check_comparable(a[None], b[None])
    own, other = statistics(a), statistics(b)
    channels, height, width = own.means.shape
    sums = sums_of_pair(own, other, np.zeros((height, width)))
    return information_score(sums.shared, sums.possible, height * width, channels)


def information_maps(a: Moments, b: Moments, ssim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is shared of the information in each window, and what there is.

    Args:
        a: Of one picture.
        b: Of the other.
        ssim: Of both, as `ssim_of_channels` gives it.

    Returns:
        Two float64 arrays of shape (H - 10, W - 10), summed over the channels.
    """
    luminance = (2 * a.mean * b.mean + C1) / (a.mean**2 + b.mean**2 + C1)
    by_chance = C2 / (a.variance + b.variance + C2)
    weight = a.information + b.information
    return (weight * (ssim - luminance * by_chance)).sum(axis=-1), (weight * (1 - by_chance)).sum(axis=-1)


def information_score(shared: float, possible: float, pixels: int, channels: int) -> float:
    """The share of the information that is shared.

    Args:
        shared: Sum of the first map of `information_maps`.
        possible: Sum of the second.
        pixels: How many pixels were summed over.
        channels: 1 or 3.
    """
    return float(shared / np.maximum(possible, least_information(pixels, channels)))


def least_information(pixels: float | np.ndarray, channels: int) -> np.ndarray:
    """The information that counts as enough for a sum over a number of pixels and channels."""
    return channels * np.minimum(LEAST, LEAST_PER_PIXEL * np.asarray(pixels))
