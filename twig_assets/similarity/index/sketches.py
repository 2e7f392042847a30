"""Vectors by cosine among a million and more: short sketches propose, the vectors themselves decide.

A sketch is a vector's part along the 64 directions in which a segment's vectors vary most, 8 bits for each. Sketches
lie list after list (Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", PAMI 33(1), 2011), and
are scanned all, or in the nearest lists only.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.corpus.search import Nearest

DIRECTIONS = 64
LISTS = 256
SKETCHED_FROM = 4096
"""Segments of fewer rows have no sketches; their vectors are compared with directly."""

SHORTLIST = 512
"""Of the nearest sketches so many vectors are compared with."""

SCANNED_UP_TO = 1_000_000
"""Up to so many rows every sketch is scanned; above, those in PROBED of the lists."""

PROBED = 32

_SEED = 20250421
_SAMPLE = 8192
_CHUNK = 16_384
_AT_ONCE = 2048


class Sketches(NamedTuple):
    """Sketches of a segment's vectors.

    Attributes:
        basis: float32 (d, length): the directions, at right angles.
        scale: float32 (d,): what a step of each number is worth.
        codes: int8 (N, d): the sketches, list after list.
        rows: uint32 (N,): whose they are.
        lists: uint32 (LISTS + 1,): where each list starts.
        centres: float32 (LISTS, d).
    """

    basis: np.ndarray
    scale: np.ndarray
    codes: np.ndarray
    rows: np.ndarray
    lists: np.ndarray
    centres: np.ndarray


class SegmentVectors(NamedTuple):
    """The vectors of one segment.

    Attributes:
        vectors: float16 (N, length), in memory or mapped from a file.
        sketches: None where there are few.
    """

    vectors: np.ndarray
    sketches: Sketches | None


def sketched(vectors: np.ndarray) -> Sketches:
    """Make the sketches of a segment's vectors.

    Args:
        vectors: float16 (N, length), at least LISTS of them.
    """
    sample = np.sort(np.random.default_rng(_SEED).permutation(len(vectors))[:_SAMPLE])
    basis = _basis(np.asarray(vectors[sample], np.float32))
    largest = np.zeros(len(basis), np.float32)
    for part in _chunks(len(vectors)):
        largest = np.maximum(largest, np.abs(np.asarray(vectors[part], np.float32) @ basis.T).max(axis=0))
    scale = np.maximum(largest, 1e-6) / 127
    codes = np.empty((len(vectors), len(basis)), np.int8)
    for part in _chunks(len(vectors)):
        codes[part] = np.rint(np.asarray(vectors[part], np.float32) @ basis.T / scale)
    centres = _centres(codes, scale)
    owner = np.empty(len(codes), np.int64)
    lengths = (centres**2).sum(axis=1)
    for part in _chunks(len(codes)):
        owner[part] = (lengths - 2 * (codes[part] * scale) @ centres.T).argmin(axis=1)
    rows = np.argsort(owner, kind="stable").astype(np.uint32)
    lists = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=LISTS))]).astype(np.uint32)
    return Sketches(basis, scale, codes[rows], rows, lists, centres)


def nearest_vectors(
    segments: Sequence[SegmentVectors],
    queries: np.ndarray,
    k: int,
    *,
    every: bool | None = None,
    read: Callable[[int], None] = lambda number: None,
) -> Nearest:
    """The k nearest vectors of all segments, by the best of each query's orientations.

    Args:
        segments: The segments, whose rows count on from one to the next.
        queries: float16 or float32 (Q, orientations, length).
        k: How many.
        every: Whether every sketch is scanned; by default if there are at most SCANNED_UP_TO.
        read: Called with a segment's number whenever some of its files was read.
    """
    queries = np.asarray(queries, np.float32)
    total = sum(len(segment.vectors) for segment in segments)
    every = total <= SCANNED_UP_TO if every is None else every
    proposed, exact = _Best(len(queries), max(SHORTLIST, 2 * k)), _Best(len(queries), k)
    firsts = np.concatenate([[0], np.cumsum([len(segment.vectors) for segment in segments])]).tolist()
    for number, (segment, first) in enumerate(zip(segments, firsts, strict=False)):
        if segment.sketches is None:
            for images, rows, scores in compared_with_all(segment.vectors, queries):
                exact.take(images, first + rows, scores)
        else:
            for images, rows, scores in _scan(segment.sketches, queries, every):
                proposed.take(images, first + rows, scores)
        read(number)
    known = np.unique(proposed.rows[proposed.rows >= 0])
    for number, segment in enumerate(segments):
        own = known[(known >= firsts[number]) & (known < firsts[number + 1])]
        if len(own):
            vectors = _picked(segment.vectors, own - firsts[number], partial(read, number))
            for image, rows in enumerate(proposed.rows):
                places = np.flatnonzero(np.isin(own, rows))
                if len(places):
                    scores = (queries[image] @ vectors[places].astype(np.float32).T).max(axis=0)
                    exact.take([image], own[places], scores[None])
    return exact.ranked()


def _picked(vectors: np.ndarray, rows: np.ndarray, read: Callable[[], None]) -> np.ndarray:
    """Some rows, in rising order; `read` is called now and then, since the system maps far more than is touched."""
    picked = np.empty((len(rows), vectors.shape[1]), vectors.dtype)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        picked[part] = vectors[rows[part]]
        read()
    return picked


def compared_with_all(
    vectors: np.ndarray, queries: np.ndarray
) -> Iterator[tuple[Sequence[int], np.ndarray, np.ndarray]]:
    """The cosine of every query with every vector, a block at a time: queries, rows, float32 (queries, rows)."""
    count, turns, length = queries.shape
    for part in _chunks(len(vectors)):
        scores = queries.reshape(-1, length) @ np.asarray(vectors[part], np.float32).T
        yield range(count), np.arange(part.start, part.stop), scores.reshape(count, turns, -1).max(axis=1)


class _Best:
    """The best rows of each image so far."""

    def __init__(self, images: int, count: int) -> None:
        self.rows = np.full((images, count), -1, np.int64)
        self.scores = np.full((images, count), -np.inf, np.float32)

    def take(self, images: Sequence[int], rows: np.ndarray, scores: np.ndarray) -> None:
        for image, of_image in zip(images, scores, strict=True):
            above = np.flatnonzero(of_image > self.scores[image].min())
            if len(above) == 0:
                continue
            everything = np.concatenate([self.scores[image], of_image[above]])
            owners = np.concatenate([self.rows[image], rows[above]])
            kept = np.argpartition(-everything, self.rows.shape[1] - 1)[: self.rows.shape[1]]
            self.rows[image], self.scores[image] = owners[kept], everything[kept]

    def ranked(self) -> Nearest:
        """In order of score, of equals the first row."""
        order = np.lexsort((self.rows, -self.scores), axis=1)
        scores = np.take_along_axis(self.scores, order, 1)
        return Nearest(np.take_along_axis(self.rows, order, 1), np.where(np.isinf(scores), np.nan, scores))


def _scan(
    sketches: Sketches, queries: np.ndarray, every: bool
) -> Iterator[tuple[Sequence[int], np.ndarray, np.ndarray]]:
    """Estimated cosines: queries, rows, float32 (queries, rows)."""
    projected = queries @ sketches.basis.T
    scaled = projected * sketches.scale
    if every:
        parts: Iterator[tuple[slice, Sequence[int]]] = (
            (part, range(len(queries))) for part in _chunks(len(sketches.codes))
        )
    else:
        parts = _nearest_lists(sketches, projected)
    for part, images in parts:
        wanted = scaled[images].reshape(-1, scaled.shape[-1])
        scores = wanted @ sketches.codes[part].astype(np.float32).T
        yield (
            images,
            sketches.rows[part].astype(np.int64),
            scores.reshape(len(images), -1, scores.shape[-1]).max(axis=1),
        )


def _nearest_lists(sketches: Sketches, projected: np.ndarray) -> Iterator[tuple[slice, Sequence[int]]]:
    """Each list that is among the PROBED nearest of a query in some orientation, and which queries these are."""
    lengths = (sketches.centres**2).sum(axis=1)
    distances = lengths - 2 * projected @ sketches.centres.T
    nearest = np.argpartition(distances, PROBED - 1, axis=-1)[..., :PROBED]
    wanted = np.zeros((len(projected), LISTS), bool)
    np.put_along_axis(wanted, nearest.reshape(len(projected), -1), True, axis=1)
    for number in np.flatnonzero(wanted.any(axis=0)).tolist():
        part = slice(int(sketches.lists[number]), int(sketches.lists[number + 1]))
        if part.stop > part.start:
            yield part, np.flatnonzero(wanted[:, number]).tolist()


def _basis(vectors: np.ndarray) -> np.ndarray:
    """The directions in which vectors are longest, by subspace iteration: float32 (d, length)."""
    count = min(DIRECTIONS, vectors.shape[1])
    basis = np.random.default_rng(_SEED).standard_normal((vectors.shape[1], count)).astype(np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(vectors.T @ (vectors @ basis))
    return np.ascontiguousarray(basis.T)


def _centres(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    import faiss

    means = faiss.Kmeans(codes.shape[1], LISTS, niter=8, seed=_SEED, max_points_per_centroid=_CHUNK // LISTS * 2)
    means.train(np.ascontiguousarray(codes[:: max(1, len(codes) // (2 * _CHUNK))] * scale, np.float32))
    return np.asarray(means.centroids, np.float32).reshape(LISTS, -1)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK))
