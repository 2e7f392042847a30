"""The inner loops of the exact scores in float64; compiled by numba.

Written so that LLVM vectorises them by itself: every loop over a row reads few arrays side by side and writes one.
"""

import numpy as np

from twig_assets.similarity.structural.exact import C1, C2
from twig_assets.similarity.structural.kernels import REACH, Function, compiled
from twig_assets.similarity.structural.pictures import BORDER

_OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy"}


def _window() -> np.ndarray:
    weights = np.exp(-0.5 * (np.arange(-BORDER, BORDER + 1) / 1.5) ** 2)
    return weights / weights.sum()


W0, W1, W2, W3, W4, W5 = (float(weight) for weight in _window()[:6])


def kernel(function: Function) -> Function:
    """Compile as in `kernels`, but each operation as it is written: the same picture scores 1 and not 1 - 1e-16."""
    return compiled(function, _OPTIONS)


def summing(function: Function) -> Function:
    """Compile with the freedom to add up in another order, which vectors need."""
    return compiled(function, {**_OPTIONS, "fastmath": {"reassoc", "nsz"}})


@kernel
def _down(plane, y, columns, row):
    """The window's weights over 11 rows of a plane from row y on."""
    for x in range(columns):
        row[x] = (
            W5 * plane[y + 5, x]
            + W4 * (plane[y + 4, x] + plane[y + 6, x])
            + W3 * (plane[y + 3, x] + plane[y + 7, x])
            + W2 * (plane[y + 2, x] + plane[y + 8, x])
            + W1 * (plane[y + 1, x] + plane[y + 9, x])
            + W0 * (plane[y, x] + plane[y + 10, x])
        )


@kernel
def _across(row, columns, filtered):
    """The window's weights over 11 numbers of a row, from each of `columns` places on."""
    for x in range(columns):
        filtered[x] = (
            W5 * row[x + 5]
            + W4 * (row[x + 4] + row[x + 6])
            + W3 * (row[x + 3] + row[x + 7])
            + W2 * (row[x + 2] + row[x + 8])
            + W1 * (row[x + 1] + row[x + 9])
            + W0 * (row[x] + row[x + 10])
        )


@kernel
def local_moments(planes, means, variances):
    """Local means and variances of planes of pixels, uint8 (channels, H, W)."""
    channels, height, width = planes.shape
    plane, squares = np.empty((height, width)), np.empty((height, width))
    row, mean, square = np.empty(width), np.empty(width), np.empty(width)
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                plane[y, x] = planes[channel, y, x]
                squares[y, x] = plane[y, x] * plane[y, x]
        for y in range(height - REACH):
            _down(plane, y, width, row)
            _across(row, width - REACH, mean)
            _down(squares, y, width, row)
            _across(row, width - REACH, square)
            for x in range(width - REACH):
                means[channel, y, x] = mean[x]
            for x in range(width - REACH):
                variances[channel, y, x] = square[x] - mean[x] * mean[x]


@kernel
def _ssim_row(product, means, variances, luminance, ssim):
    """One row of SSIM and of its first factor, from rows of the filtered product and of both pictures' statistics."""
    (a_mean, b_mean), (a_variance, b_variance) = means, variances
    for x in range(len(ssim)):
        both = a_mean[x] * b_mean[x]
        luminance[x] = (2 * both + C1) / (a_mean[x] * a_mean[x] + b_mean[x] * b_mean[x] + C1)
    for x in range(len(ssim)):
        covariance = product[x] - a_mean[x] * b_mean[x]
        ssim[x] = luminance[x] * (2 * covariance + C2) / (a_variance[x] + b_variance[x] + C2)


@summing
def _row_sums(ssim, luminance, variances, held, inside):
    """Six sums over one row, see `sums_of_pair`."""
    (a_variance, b_variance), (a_held, b_held) = variances, held
    whole, shared, possible, masked, inner_shared, inner_possible = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x in range(len(ssim)):
        by_chance = C2 / (max(a_variance[x], 0.0) + max(b_variance[x], 0.0) + C2)
        weight = a_held[x] + b_held[x]
        of_both, of_either = weight * (ssim[x] - luminance[x] * by_chance), weight * (1 - by_chance)
        whole += ssim[x]
        shared += of_both
        possible += of_either
        masked += inside[x] * ssim[x]
        inner_shared += inside[x] * of_both
        inner_possible += inside[x] * of_either
    return whole, shared, possible, masked, inner_shared, inner_possible


@kernel
def ssim_of_planes(a, b, result):
    """SSIM of the window round every pixel, from planes, means and variances of two pictures."""
    (a_planes, a_means, a_variances), (b_planes, b_means, b_variances) = a, b
    channels, height, width = a_planes.shape
    products = np.empty((height, width))
    row, product, luminance = np.empty(width), np.empty(width), np.empty(width)
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                products[y, x] = np.int64(a_planes[channel, y, x]) * np.int64(b_planes[channel, y, x])
        for y in range(height - REACH):
            _down(products, y, width, row)
            _across(row, width - REACH, product)
            means, variances = (
                (a_means[channel, y], b_means[channel, y]),
                (a_variances[channel, y], b_variances[channel, y]),
            )
            _ssim_row(product, means, variances, luminance, result[channel, y])


@kernel
def sums_of_pair(a, b, upside_down, inside, sums):
    """Add to `sums`: SSIM, what is shared of the information, what there is; and the same where `inside` is 1.

    See `information_maps` for the second and third. Of each picture planes, means, variances and information are given.
    The rows of the first are read from the last to the first if it is to be turned upside down.
    """
    (a_planes, a_means, a_variances, a_held), (b_planes, b_means, b_variances, b_held) = a, b
    channels, height, width = a_planes.shape
    products = np.empty((height, width))
    row, product, luminance, ssim = np.empty(width), np.empty(width), np.empty(width), np.empty(width - REACH)
    for channel in range(channels):
        for y in range(height):
            ours = a_planes[channel, height - 1 - y if upside_down else y]
            for x in range(width):
                products[y, x] = np.int64(ours[x]) * np.int64(b_planes[channel, y, x])
        for y in range(height - REACH):
            at = height - REACH - 1 - y if upside_down else y
            _down(products, y, width, row)
            _across(row, width - REACH, product)
            means = a_means[channel, at], b_means[channel, y]
            variances = a_variances[channel, at], b_variances[channel, y]
            held = a_held[channel, at], b_held[channel, y]
            _ssim_row(product, means, variances, luminance, ssim)
            of_row = _row_sums(ssim, luminance, variances, held, inside[y])
            for i in range(6):
                sums[i] += of_row[i]
