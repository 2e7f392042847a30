"""The inner loops of the engine: statistics of a picture, SSIM of a pair, and a bound on it; compiled by numba.

A picture is cut into tiles, channel by channel, so that the tiles of some queries and of one reference fit in the
processor's caches together. A tile has up to TILE_ROWS x TILE_COLUMNS pixels of the SSIM map; its plane of pixels has
10 more rows and room for 10 more columns, for the windows that reach over.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from twig_assets.settings.home import home
from twig_assets.similarity.structural.vectors import LANES, floats_at, fma, load, root, splat, store, total

Function = TypeVar("Function", bound=Callable[..., Any])

TILE_ROWS = 32
TILE_COLUMNS = 128
REACH = 10
GREY = np.float32(128)
C1 = np.float32((0.01 * 255) ** 2)
C2 = np.float32((0.03 * 255) ** 2)


def _window() -> np.ndarray:
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    rounded = (weights / weights.sum()).astype(np.float32)
    # Exactly one in sum: otherwise the variance of a flat bright area would not come out as zero.
    rounded[5] += np.float32(1 - rounded.astype(np.float64).sum())
    return rounded


W0, W1, W2, W3, W4, W5 = (np.float32(weight) for weight in _window()[:6])


def kernel(function: Function) -> Function:
    """Compile at the first call and keep the code on disk, or only in memory where nothing can be written."""
    return compiled(function, {"nogil": True, "fastmath": True, "boundscheck": False, "error_model": "numpy"})


def compiled(function: Function, options: dict[str, Any]) -> Function:
    """Compile with these options of numba, see `kernel`.

    The code is kept in the folder that NUMBA_CACHE_DIR names, beside the package or in the user's cache; where none of
    them can be written, as in a container, in the state folder.
    """
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        return _kept_with_the_state(function, options)


def _kept_with_the_state(function: Function, options: dict[str, Any]) -> Function:
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(home() / "numba")
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)
    finally:
        numba.config.CACHE_DIR = before


@numba.njit(inline="always")
def _filtered(values, at, step):
    """The window's 11 weights over values `step` apart."""
    result = splat(W5) * load(values, at + 5 * step)
    result = fma(splat(W4), load(values, at + 4 * step) + load(values, at + 6 * step), result)
    result = fma(splat(W3), load(values, at + 3 * step) + load(values, at + 7 * step), result)
    result = fma(splat(W2), load(values, at + 2 * step) + load(values, at + 8 * step), result)
    result = fma(splat(W1), load(values, at + step) + load(values, at + 9 * step), result)
    return fma(splat(W0), load(values, at) + load(values, at + 10 * step), result)


@kernel
def describe(pictures, tile_rows, tile_columns, pixels, means, deviations):
    """Pixels (less GREY), local means (less GREY) and local standard deviations of pictures, tile by tile."""
    count, height, width, channels = pictures.shape
    down, across = -(-(height - REACH) // tile_rows), -(-(width - REACH) // tile_columns)
    stride = tile_columns + LANES
    values = np.zeros((tile_rows + REACH) * stride, np.float32)
    squares = np.zeros_like(values)
    for n in range(count):
        for channel in range(channels):
            for ty in range(down):
                for tx in range(across):
                    tile = (channel * down + ty) * across + tx
                    top, left = ty * tile_rows, tx * tile_columns
                    rows = min(tile_rows, height - REACH - top)
                    columns = min(tile_columns, width - REACH - left)
                    x, m, s = pixels[n, tile], means[n, tile], deviations[n, tile]
                    for y in range(rows + REACH):
                        for i in range(columns + REACH):
                            x[y * stride + i] = np.float32(pictures[n, top + y, left + i, channel]) - GREY
                        x[y * stride + columns + REACH : (y + 1) * stride] = 0
                    for i in range(0, (rows + REACH) * stride, LANES):
                        value = load(x, i)
                        store(squares, i, value * value)
                    for y in range(rows):
                        for i in range(y * stride, y * stride + columns + REACH, LANES):
                            store(values, i, _filtered(x, i, stride))
                            store(squares, i, _filtered(squares, i, stride))
                    for y in range(rows):
                        for i in range(0, tile_columns, LANES):
                            mean = _filtered(values, y * stride + i, 1)
                            variance = _filtered(squares, y * stride + i, 1) - mean * mean
                            store(m, y * tile_columns + i, mean)
                            store(s, y * tile_columns + i, root(max(variance, splat(np.float32(0)))))
                        m[y * tile_columns + columns : (y + 1) * tile_columns] = 0
                        s[y * tile_columns + columns : (y + 1) * tile_columns] = 0


@numba.njit(inline="always")
def _luminance(mean_a, mean_b):
    """Numerator and denominator of the first factor of SSIM, and the product of the means; all from means less GREY."""
    both = fma(splat(np.float32(2 * GREY)), mean_a + mean_b, splat(np.float32(2 * GREY * GREY + C1)))
    product = mean_a * mean_b
    return fma(splat(np.float32(2)), product, both), fma(mean_a, mean_a, fma(mean_b, mean_b, both)), product


@numba.njit(inline="always")
def _ssim_of_tile(q, r, keep, q_weights, r_weights, rows, columns, tile_columns, products):
    """Sum of SSIM over one tile; the same inside the union of the weights, and how many pixels that is."""
    (qx, qm, qs), (rx, rm, rs) = q, r
    stride = tile_columns + LANES
    whole, masked, weight = splat(np.float32(0)), splat(np.float32(0)), splat(np.float32(0))
    for y in range(rows + REACH):
        for i in range(y * stride, y * stride + columns + REACH, LANES):
            store(products, i, load(qx, i) * load(rx, i))
    for y in range(rows):
        for i in range(y * stride, y * stride + columns + REACH, LANES):
            store(products, i, _filtered(products, i, stride))
    for y in range(rows):
        for i in range(0, columns, LANES):
            at = y * tile_columns + i
            sq, sr = load(qs, at), load(rs, at)
            above, below, product = _luminance(load(qm, at), load(rm, at))
            above = above * fma(splat(np.float32(2)), _filtered(products, y * stride + i, 1) - product, splat(C2))
            ssim = above / (below * fma(sq, sq, fma(sr, sr, splat(C2))))
            whole = fma(ssim, load(keep, i), whole)
            if q_weights is not None:
                inside = max(load(q_weights, at), load(r_weights, at))
                masked = fma(ssim, inside, masked)
                weight = weight + inside
    return total(whole), total(masked), total(weight)


@numba.njit(inline="always")
def _information_of_tile(q, r, keep, q_weights, rows, columns, tile_columns, products, sums):
    """Add seven sums over one tile to `sums`.

    They are: SSIM; the same inside the weights, and their sum; what is shared of the local information, and what there
    is (see `information`); and these two inside the weights.
    """
    (qx, qm, qs, qi), (rx, rm, rs, ri) = q, r
    stride = tile_columns + LANES
    zero = splat(np.float32(0))
    whole, masked, weight, shared, possible, inner_shared, inner_possible = zero, zero, zero, zero, zero, zero, zero
    for y in range(rows + REACH):
        for i in range(y * stride, y * stride + columns + REACH, LANES):
            store(products, i, load(qx, i) * load(rx, i))
    for y in range(rows):
        for i in range(y * stride, y * stride + columns + REACH, LANES):
            store(products, i, _filtered(products, i, stride))
    for y in range(rows):
        for i in range(0, columns, LANES):
            at = y * tile_columns + i
            sq, sr = load(qs, at), load(rs, at)
            above, below, product = _luminance(load(qm, at), load(rm, at))
            common = splat(np.float32(2)) * (_filtered(products, y * stride + i, 1) - product)
            variances = fma(sq, sq, sr * sr)
            share = splat(np.float32(1)) / (below * (variances + splat(C2)))
            above = above * share
            ssim = above * (common + splat(C2))
            information = load(qi, at) + load(ri, at)
            of_both = information * above * common
            of_either = information * variances * below * share
            inside = load(q_weights, at)
            whole = fma(ssim, load(keep, i), whole)
            masked = fma(ssim, inside, masked)
            weight = weight + inside
            shared = shared + of_both
            possible = possible + of_either
            inner_shared = fma(of_both, inside, inner_shared)
            inner_possible = fma(of_either, inside, inner_possible)
    sums[0] += total(whole)
    sums[1] += total(masked)
    sums[2] += total(weight)
    sums[3] += total(shared)
    sums[4] += total(possible)
    sums[5] += total(inner_shared)
    sums[6] += total(inner_possible)


@numba.njit(inline="always")
def _bound(q, r, at):
    """Numerator and denominator of luminance times contrast: no covariance is above the product of the deviations."""
    (_, qm, qs), (_, rm, rs) = q, r
    sq, sr = load(qs, at), load(rs, at)
    above, below, _ = _luminance(load(qm, at), load(rm, at))
    return above * fma(sq + sq, sr, splat(C2)), below * fma(sq, sq, fma(sr, sr, splat(C2)))


@numba.njit(inline="always")
def _bound_of_tile(q, r, keep, rows, columns, tile_columns):
    """Sum of the bound over one tile; two rows share one division, which costs more than all the rest."""
    result = splat(np.float32(0))
    for y in range(0, rows - 1, 2):
        for i in range(0, columns, LANES):
            above, below = _bound(q, r, y * tile_columns + i)
            next_above, next_below = _bound(q, r, (y + 1) * tile_columns + i)
            both = fma(above, next_below, next_above * below) / (below * next_below)
            result = fma(both, load(keep, i), result)
    if rows % 2:
        for i in range(0, columns, LANES):
            above, below = _bound(q, r, (rows - 1) * tile_columns + i)
            result = fma(above / below, load(keep, i), result)
    return total(result)


@kernel
def all_pairs(queries, references, keep, rows, columns, group, sums):
    """Add the SSIM of every pair, summed over its pixels, to `sums`; tiles of `group` queries share the cache."""
    (qx, qm, qs), (rx, rm, rs) = queries, references
    tile_columns = keep.shape[1]
    products = np.zeros(qx.shape[2], np.float32)
    for start in range(0, len(qx), group):
        for t in range(len(keep)):
            for r in range(len(rx)):
                reference = rx[r, t], rm[r, t], rs[r, t]
                for q in range(start, min(start + group, len(qx))):
                    query = qx[q, t], qm[q, t], qs[q, t]
                    sums[q, r] += _ssim_of_tile(
                        query, reference, keep[t], None, None, rows[t], columns[t], tile_columns, products
                    )[0]


@kernel
def all_pairs_at(queries, references, keep, rows, columns, group, sums):
    """Like all_pairs, with references that lie each in arrays of its own.

    Of each the addresses of its pixels, means and deviations are given: int64 (references, 3), tiles as in `queries`.
    """
    qx, qm, qs = queries
    tile_columns = keep.shape[1]
    reading, size = (len(keep), qx.shape[2]), (len(keep), qm.shape[2])
    products = np.zeros(qx.shape[2], np.float32)
    for start in range(0, len(qx), group):
        for t in range(len(keep)):
            for r in range(len(references)):
                pixels = numba.carray(floats_at(references[r, 0]), reading)
                means = numba.carray(floats_at(references[r, 1]), size)
                deviations = numba.carray(floats_at(references[r, 2]), size)
                reference = pixels[t], means[t], deviations[t]
                for q in range(start, min(start + group, len(qx))):
                    query = qx[q, t], qm[q, t], qs[q, t]
                    sums[q, r] += _ssim_of_tile(
                        query, reference, keep[t], None, None, rows[t], columns[t], tile_columns, products
                    )[0]


@kernel
def masked_pairs(queries, references, q_weights, r_weights, keep, rows, columns, group, sums, inside, weights):
    """Like all_pairs; also sums inside the union of two masks, and the pixels (times channels) of that union."""
    (qx, qm, qs), (rx, rm, rs) = queries, references
    tile_columns = keep.shape[1]
    products = np.zeros(qx.shape[2], np.float32)
    for start in range(0, len(qx), group):
        for t in range(len(keep)):
            place = t % q_weights.shape[1]
            for r in range(len(rx)):
                reference = rx[r, t], rm[r, t], rs[r, t]
                for q in range(start, min(start + group, len(qx))):
                    query = qx[q, t], qm[q, t], qs[q, t]
                    whole, masked, weight = _ssim_of_tile(
                        query,
                        reference,
                        keep[t],
                        q_weights[q, place],
                        r_weights[r, place],
                        rows[t],
                        columns[t],
                        tile_columns,
                        products,
                    )
                    sums[q, r] += whole
                    inside[q, r] += masked
                    weights[q, r] += weight


@kernel
def informed_pairs(queries, references, q_weights, keep, rows, columns, group, sums):
    """Add the seven sums of `_information_of_tile` of every pair to `sums` (queries, references, 7)."""
    (qx, qm, qs, qi), (rx, rm, rs, ri) = queries, references
    tile_columns = keep.shape[1]
    products = np.zeros(qx.shape[2], np.float32)
    for start in range(0, len(qx), group):
        for t in range(len(keep)):
            place = t % q_weights.shape[1]
            for r in range(len(rx)):
                reference = rx[r, t], rm[r, t], rs[r, t], ri[r, t]
                for q in range(start, min(start + group, len(qx))):
                    query = qx[q, t], qm[q, t], qs[q, t], qi[q, t]
                    _information_of_tile(
                        query,
                        reference,
                        keep[t],
                        q_weights[q, place],
                        rows[t],
                        columns[t],
                        tile_columns,
                        products,
                        sums[q, r],
                    )


@kernel
def pairs_above(queries, references, keep, rows, columns, group, least, bounds, upper):
    """Bring `upper` down from the number of pixels to the SSIM sum of every pair, or until it is below `least`.

    A pair is given up at the first tile at which even the bounds of the tiles to come cannot bring it to `least`.
    """
    (qx, qm, qs), (rx, rm, rs) = queries, references
    tile_columns = keep.shape[1]
    products = np.zeros(qx.shape[2], np.float32)
    for start in range(0, len(qx), group):
        stop = min(start + group, len(qx))
        for t in range(len(keep)):
            for r in range(len(rx)):
                reference = rx[r, t], rm[r, t], rs[r, t]
                for q in range(start, stop):
                    if upper[q, r] >= least:
                        query = qx[q, t], qm[q, t], qs[q, t]
                        bounds[t, q, r] = _bound_of_tile(query, reference, keep[t], rows[t], columns[t], tile_columns)
                        upper[q, r] += bounds[t, q, r] - rows[t] * columns[t]
        for t in range(len(keep)):
            for r in range(len(rx)):
                reference = rx[r, t], rm[r, t], rs[r, t]
                for q in range(start, stop):
                    if upper[q, r] >= least:
                        query = qx[q, t], qm[q, t], qs[q, t]
                        exact = _ssim_of_tile(
                            query, reference, keep[t], None, None, rows[t], columns[t], tile_columns, products
                        )[0]
                        upper[q, r] += exact - bounds[t, q, r]
