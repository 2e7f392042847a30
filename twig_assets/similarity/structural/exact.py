"""SSIM and its sums in float64, from statistics that are computed once per picture.

Equal to what scikit-image gives with Wang's settings (see `ssim`) but for rounding, 1e-12; it takes a twentieth of the
time, since the statistics of a picture are not computed again for every pair.
"""

from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.structural.pictures import BORDER, with_channels

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True, eq=False)
class Statistics:
    """A picture with its local statistics, channel by channel.

    Attributes:
        planes: uint8 (channels, H, W), the pixels.
        means: float64 (channels, H - 10, W - 10), in SSIM's window round each pixel.
        variances: Likewise; rounding may bring them a hair below 0.
        information: Likewise: what each window holds, 0 on plain ground; see `information`.
    """

    planes: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    information: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.planes.nbytes + 3 * self.means.nbytes


@dataclass(frozen=True)
class Sums:
    """Sums over a pair of pictures, each over all pixels and channels of the SSIM map.

    Attributes:
        ssim: Of SSIM.
        shared: Of what is shared of the information, see `information_maps`.
        possible: Of what there is.
        masked: The same three inside a mask.
    """

    ssim: float
    shared: float
    possible: float
    masked: tuple[float, float, float]


def statistics(picture: np.ndarray) -> Statistics:
    """The local statistics of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3), or (H, W) for grey, at least 11 px on each side.
    """
    from twig_assets.similarity.structural import exact_kernels

    planes = np.ascontiguousarray(np.moveaxis(with_channels(picture[None])[0], -1, 0))
    channels, height, width = planes.shape
    means, variances, held = np.empty((3, channels, height - 2 * BORDER, width - 2 * BORDER))
    exact_kernels.local_moments(planes, means, variances)
    np.maximum(variances, 0, out=held)
    held /= C2
    return Statistics(planes, means, variances, np.log1p(held, out=held))


def map_of_pair(a: Statistics, b: Statistics) -> np.ndarray:
    """SSIM of the window round every pixel: float64 (channels, H - 10, W - 10)."""
    from twig_assets.similarity.structural import exact_kernels

    result = np.empty_like(a.means)
    exact_kernels.ssim_of_planes((a.planes, a.means, a.variances), (b.planes, b.means, b.variances), result)
    return result


def sums_of_pair(a: Statistics, b: Statistics, inside: np.ndarray, upside_down: bool = False) -> Sums:
    """The sums that SSIM and `iw_ssim` are made of.

    Args:
        a: Of one picture.
        b: Of another one of the same size.
        inside: float64 (H - 10, W - 10), 1 inside a mask and 0 outside; on the second picture.
        upside_down: Whether the first picture's rows are to be taken from the last to the first. Its statistics are
            then those of the picture upside down, to the last bit.
    """
    from twig_assets.similarity.structural import exact_kernels

    sums = np.zeros(6)
    ours, theirs = ((own.planes, own.means, own.variances, own.information) for own in (a, b))
    exact_kernels.sums_of_pair(ours, theirs, upside_down, inside, sums)
    ssim, shared, possible, *masked = sums.tolist()
    return Sums(ssim, shared, possible, (masked[0], masked[1], masked[2]))
