"""SSIM of many pictures with many: every pair, or every pair above a threshold.

The method: local means and deviations are computed once per picture, so that a pair only needs the local mean of its
product; all in float32, within 2e-4 of scikit-image. Above a threshold, a bound that needs no window at all (luminance
times contrast, by the inequality of Cauchy and Schwarz) gives most pairs up first, and whatever is left and comes near
the threshold is computed again in float64.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from twig_assets.similarity.orientations import oriented_stack
from twig_assets.similarity.structural.information import least_information
from twig_assets.similarity.structural.pictures import (
    Pictures,
    check_choices,
    check_comparable,
    check_masks,
    check_pictures,
    with_channels,
)
from twig_assets.similarity.structural.resized import Resized, described, turned_back
from twig_assets.similarity.structural.ssim import wang_ssim
from twig_assets.similarity.structural.tiles import Planes, Tiling

ERROR = 2e-4
"""The scan stays within this of scikit-image in float64."""

INFORMED_ERROR = 1e-3
"""The scan's `iw_ssim` stays within this of the one in float64."""

RECOMPUTED = 1e-3
"""Scores within this of a threshold are recomputed in float64."""

# Described queries are kept while all references pass by; a block of references only as long as it is compared.
_QUERY_BYTES, _BLOCK_BYTES = 512 << 20, 96 << 20
# Small pictures would fit by the ten thousand, but then a block's table of pairs would not.
_MOST_AT_ONCE = 1024

Result = TypeVar("Result")


class Pair(NamedTuple):
    """A query and a reference that are alike.

    Attributes:
        query: Index of the query.
        reference: Index of the reference.
        ssim: Computed in float64.
        orientation: Index into ORIENTATIONS of the turn of the reference that gives it; 0 is none.
    """

    query: int
    reference: int
    ssim: float
    orientation: int


class Scores(NamedTuple):
    """Scores of some queries with some references in each orientation, within ERROR of scikit-image's.

    Attributes:
        rows: Which queries.
        columns: Which references.
        whole: float64 (queries, references, orientations), SSIM averaged over the whole map.
        masked: The same averaged over the union of the two masks; NaN where that is empty, or without masks.
    """

    rows: slice
    columns: slice
    whole: np.ndarray
    masked: np.ndarray


def ssim_all_pairs(
    queries: np.ndarray,
    references: Pictures,
    *,
    masks: np.ndarray | None = None,
    reference_masks: np.ndarray | None = None,
    orientations: int = 1,
    threads: int = 1,
) -> np.ndarray:
    """SSIM of every query with every reference.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), or (Q, H, W) for grey, at least 11 px on each side.
        references: uint8 pictures of the same size, N of them: an array, a `PixelFile`, or anything else that is
            read slice by slice.
        masks: bool array of shape (Q, H, W), True on a query's foreground. With masks the SSIM map is averaged over
            the union of both foregrounds, without over all of it.
        reference_masks: bool array of shape (N, H, W); turned with the references.
        orientations: 1, or 8 for the best over the flips and quarter turns of the reference. When H and W differ, a
            quarter turn is resized back to H x W (Lanczos; masks by the nearest pixel).
        threads: How many blocks of references are compared at once.

    Returns:
        float32 array of shape (Q, N) with values from -1 to 1, within 2e-4 of scikit-image's; NaN where the union of
        the foregrounds has no pixel more than 5 px from the edge.

    Raises:
        ValueError: If shapes, types, `orientations` or `threads` are other than this.
    """
    check_pictures("queries", queries)
    check_pictures("references", references)
    check_comparable(queries, references)
    if masks is not None:
        check_masks("masks", masks, queries.shape[:3])
    if reference_masks is not None:
        check_masks("reference_masks", reference_masks, (len(references), *queries.shape[1:3]))
    result = np.empty((len(queries), len(references)), np.float32)
    for scores in scan(queries, references, masks, reference_masks, orientations, threads):
        values = scores.whole if masks is None and reference_masks is None else scores.masked
        result[scores.rows, scores.columns] = values.max(axis=2)
    return result


def ssim_above(
    queries: np.ndarray, references: Pictures, threshold: float, *, orientations: int = 1, threads: int = 1
) -> list[Pair]:
    """Every pair whose SSIM is at least a threshold; none is missed.

    Args:
        queries: Like those of `ssim_all_pairs`.
        references: Likewise.
        threshold: From -1 to 1. Below about 0.5 hardly a pair can be excluded early, and every pair that is reported
            costs a computation in float64.
        orientations: 1, or 8 for the best over the flips and quarter turns of the reference.
        threads: How many blocks of references are compared at once.

    Returns:
        The pairs in order of query and reference, each with its score in float64.

    Raises:
        ValueError: If shapes, types, `orientations`, `threads` or `threshold` are other than this.
    """
    check_pictures("queries", queries)
    check_pictures("references", references)
    check_comparable(queries, references)
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold: {threshold} is not possible; choose a number from -1 to 1")
    pairs: list[Pair] = []
    check_choices(orientations, threads)
    tiling = Tiling.of(queries)
    for rows in _slices(len(queries), _QUERY_BYTES // tiling.bytes_per_picture):
        pictures = with_channels(queries[rows])
        planes = tiling.describe(pictures)

        def compare(columns: slice, pictures: np.ndarray = pictures, planes: Planes = planes) -> list[Pair]:
            turned = _turned(references[columns], tiling, orientations)
            near = _near(planes, turned, tiling, threshold)
            return _best_turns(pictures, turned, near, threshold)

        for columns, found in _in_blocks(compare, len(references), tiling, orientations, threads):
            pairs += [Pair(rows.start + q, columns.start + n, ssim, o) for q, n, ssim, o in found]
    return sorted(pairs)


def scan(
    queries: np.ndarray,
    references: Pictures | Sequence[np.ndarray],
    masks: np.ndarray | None,
    reference_masks: np.ndarray | None,
    orientations: int,
    threads: int,
) -> Iterator[Scores]:
    """Scores of every pair, block by block: what `ssim_all_pairs` is made of.

    Args:
        queries: As there.
        references: As there, or a list of pictures of any size; see `oriented_stack` for how they are resized.
        masks: As there.
        reference_masks: As there.
        orientations: 1 or 8.
        threads: As there.

    Raises:
        ValueError: If shapes, types, `orientations` or `threads` are other than this.
    """
    check_choices(orientations, threads)
    tiling = Tiling.of(queries)
    for rows in _slices(len(queries), _QUERY_BYTES // tiling.bytes_per_picture):
        planes = tiling.describe(with_channels(queries[rows]))
        weights = None
        if masks is not None or reference_masks is not None:
            weights = tiling.weights(_nowhere(queries[rows]) if masks is None else masks[rows])

        def compare(
            columns: slice, planes: Planes = planes, weights: np.ndarray | None = weights
        ) -> tuple[np.ndarray, np.ndarray]:
            turned = _turned(references[columns], tiling, orientations)
            if weights is None:
                return _whole(planes, turned, tiling)
            inside = None if reference_masks is None else _turned_masks(reference_masks[columns], tiling, orientations)
            return _whole_and_masked(planes, weights, turned, inside, tiling)

        for columns, (whole, masked) in _in_blocks(compare, len(references), tiling, orientations, threads):
            yield Scores(rows, columns, whole, masked)


class InformedQueries:
    """Pictures of one size with their masks, described in the orientations that works are compared in."""

    def __init__(self, queries: np.ndarray, masks: np.ndarray, orientations: int) -> None:
        """Describe the pictures.

        Args:
            queries: uint8 array of shape (Q, H, W, 3).
            masks: bool array of shape (Q, H, W).
            orientations: 1 or 8.
        """
        self._count, self._orientations = len(queries), orientations
        # Those whose works stay upright, and those whose works are turned by a quarter.
        self._parts = [_Turned(queries, masks, range(first, orientations, 2)) for first in range(min(orientations, 2))]

    @staticmethod
    def bytes_each(queries: np.ndarray, orientations: int) -> int:
        """Memory that one picture of this size takes."""
        return 2 * orientations * Tiling.of(queries).bytes_per_picture

    def scores(self, work: Resized) -> np.ndarray:
        """Scores of every picture beside one work.

        Returns:
            float64 (4, Q, orientations): SSIM, `iw_ssim`, and both inside the mask, which are NaN where that is empty.
        """
        result = np.empty((4, self._count, self._orientations))
        for part in self._parts:
            result[:, :, part.orientations] = part.scores(work).reshape(4, self._count, -1)
        return result


class _Turned:
    """Pictures, turned back from some orientations that give them all the same size."""

    def __init__(self, queries: np.ndarray, masks: np.ndarray, orientations: Sequence[int]) -> None:
        self.orientations = list(orientations)
        pictures = np.stack([turned for query in queries for turned in turned_back(query, orientations)])
        inside = np.stack([turned for mask in masks for turned in turned_back(mask, orientations)])
        self._tiling = Tiling.of(pictures)
        self._described, self._weights = described(pictures), self._tiling.weights(inside)

    def scores(self, work: Resized) -> np.ndarray:
        """float64 (4, Q * orientations)."""
        from twig_assets.similarity.structural import kernels

        theirs = work.look(self.orientations[0]).described
        sums = np.zeros((len(self._weights), 1, 7))
        kernels.informed_pairs(self._described.arrays, theirs.arrays, self._weights, *self._tiling.grid, sums)
        whole, masked, weight, shared, possible, inner_shared, inner_possible = sums[:, 0].T
        values, channels = self._tiling.values, self._tiling.channels
        with np.errstate(invalid="ignore"):
            return np.stack(
                [
                    whole / values,
                    shared / np.maximum(possible, least_information(values // channels, channels)),
                    masked / weight,
                    inner_shared / np.maximum(inner_possible, least_information(weight / channels, channels)),
                ]
            )


def _whole(planes: Planes, turned: np.ndarray, tiling: Tiling) -> tuple[np.ndarray, np.ndarray]:
    from twig_assets.similarity.structural import kernels

    shape = (len(planes[0]), *turned.shape[:2])
    sums = np.zeros((shape[0], shape[1] * shape[2]))
    described = tiling.describe(turned.reshape(-1, *turned.shape[2:]))
    kernels.all_pairs(planes, described, *tiling.grid, sums)
    return sums.reshape(shape) / tiling.values, np.full(shape, np.nan)


def _whole_and_masked(
    planes: Planes, weights: np.ndarray, turned: np.ndarray, inside: np.ndarray | None, tiling: Tiling
) -> tuple[np.ndarray, np.ndarray]:
    from twig_assets.similarity.structural import kernels

    shape = (len(planes[0]), *turned.shape[:2])
    sums, masked, pixels = np.zeros((3, shape[0], shape[1] * shape[2]))
    flat = turned.reshape(-1, *turned.shape[2:])
    others = tiling.weights(_nowhere(flat) if inside is None else inside.reshape(flat.shape[:3]))
    kernels.masked_pairs(planes, tiling.describe(flat), weights, others, *tiling.grid, sums, masked, pixels)
    with np.errstate(invalid="ignore"):
        return sums.reshape(shape) / tiling.values, (masked / pixels).reshape(shape)


def _near(planes: Planes, turned: np.ndarray, tiling: Tiling, threshold: float) -> np.ndarray:
    """int64 (found, 3): query, reference and orientation whose score may reach the threshold."""
    from twig_assets.similarity.structural import kernels

    shape = (len(planes[0]), *turned.shape[:2])
    upper = np.full((shape[0], shape[1] * shape[2]), float(tiling.values))
    bounds = np.empty((len(tiling.rows), *upper.shape), np.float32)
    described = tiling.describe(turned.reshape(-1, *turned.shape[2:]))
    least = (threshold - RECOMPUTED) * tiling.values
    kernels.pairs_above(planes, described, *tiling.grid, least, bounds, upper)
    return np.argwhere(upper.reshape(shape) >= least)


def _best_turns(pictures: np.ndarray, turned: np.ndarray, near: np.ndarray, threshold: float) -> list[Pair]:
    """The pairs that do reach the threshold, counted from the start of the two blocks, with their exact scores."""
    best: dict[tuple[int, int], Pair] = {}
    for q, n, o in near.tolist():
        exact = wang_ssim(pictures[q], turned[n, o])
        if exact >= threshold and ((q, n) not in best or exact > best[q, n].ssim):
            best[q, n] = Pair(q, n, exact, o)
    return list(best.values())


def _in_blocks(
    compare: Callable[[slice], Result], count: int, tiling: Tiling, orientations: int, threads: int
) -> Iterator[tuple[slice, Result]]:
    """Compare block after block of the references, some blocks ahead of what is taken."""
    size = _BLOCK_BYTES // (tiling.bytes_per_picture * orientations)
    blocks = _slices(count, min(size, -(-count // (4 * threads))) if threads > 1 else size)
    if threads == 1:
        yield from ((block, compare(block)) for block in blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[slice, Future[Result]]] = deque()
        for block in blocks:
            waiting.append((block, pool.submit(compare, block)))
            if len(waiting) > 2 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _slices(count: int, size: int) -> list[slice]:
    size = min(max(1, size), _MOST_AT_ONCE)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _turned(pictures: Sequence[np.ndarray] | np.ndarray, tiling: Tiling, orientations: int) -> np.ndarray:
    """uint8 (n, orientations, H, W, channels)."""
    if isinstance(pictures, np.ndarray):
        pictures = with_channels(pictures)
        if orientations == 1:
            return pictures[:, None]
    return np.stack([oriented_stack(picture, tiling.height, tiling.width, orientations) for picture in pictures])


def _turned_masks(masks: np.ndarray, tiling: Tiling, orientations: int) -> np.ndarray:
    """Bool (n, orientations, H, W)."""
    return np.stack([oriented_stack(mask, tiling.height, tiling.width, orientations) for mask in masks])


def _nowhere(pictures: np.ndarray) -> np.ndarray:
    return np.zeros(pictures.shape[:3], bool)
