"""Local features in 16 bytes each, sorted by visual word, so that an image's features find theirs in short lists.

Source: Babenko and Lempitsky, "The Inverted Multi-Index", CVPR 2012, for words that are pairs of halves; Jegou, Douze
and Schmid, "Hamming Embedding and Weak Geometric Consistency for Large Scale Image Search", ECCV 2008, for signatures.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.detectors.local_features import Features
from twig_assets.similarity.index.local_kernels import kept_per_list, put_in_lists

HALVES = 256
"""Centres of either half of a descriptor."""

WORDS = HALVES * HALVES
KEPT = 160
"""Of a work's features the largest are kept: they survive when it is pasted small."""

SIZE_STEPS = 32
"""Steps in which the size of a feature doubles."""

_BITS = 64
_SEED = 20110620
_FILE = Path(__file__).with_name("words.npy")


class LocalEntries(NamedTuple):
    """Local features of many views, list after list, in order of row within a list.

    Attributes:
        starts: uint32 (WORDS + 1,): where each word's list starts.
        rows: uint32 (n,): whose feature it is.
        geometry: uint32 (n,): place, size and direction, see `packed_geometry`.
        signatures: uint64 (n,): which side of 64 planes through the word's centre it lies on.
    """

    starts: np.ndarray
    rows: np.ndarray
    geometry: np.ndarray
    signatures: np.ndarray


def entries_of(features: Sequence[Features]) -> LocalEntries:
    """The features of some views, whose rows are 0, 1 and so on."""
    kept = [_largest(of_view) for of_view in features]
    rows = np.repeat(np.arange(len(kept), dtype=np.uint32), [len(of_view) for of_view in kept])
    descriptors = np.concatenate([np.zeros((0, 128), np.float32), *(of_view.descriptors for of_view in kept)])
    words, signatures = words_of(descriptors, 1)
    geometry = np.concatenate([np.zeros(0, np.uint32), *map(packed_geometry, kept)])
    return sorted_entries(words[:, 0], rows, geometry, signatures[:, 0])


def sorted_entries(words: np.ndarray, rows: np.ndarray, geometry: np.ndarray, signatures: np.ndarray) -> LocalEntries:
    """Entries in order of word; the row must not fall from one to the next."""
    order = np.argsort(words, kind="stable")
    starts = np.zeros(WORDS + 1, np.uint32)
    np.cumsum(np.bincount(words, minlength=WORDS), out=starts[1:])
    return LocalEntries(starts, rows[order], geometry[order], signatures[order])


def merged(tables: Sequence[LocalEntries], row_maps: Sequence[np.ndarray]) -> LocalEntries:
    """One table of several.

    Args:
        tables: The tables.
        row_maps: For each uint32: row -> row in the new table, or WITHDRAWN for one that is left out. Rows rise from
            one table to the next.
    """
    counts = np.zeros(WORDS, np.int64)
    for table, row_map in zip(tables, row_maps, strict=True):
        kept_per_list(table.starts, table.rows, row_map, counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    total = int(starts[-1])
    new = LocalEntries(
        starts.astype(np.uint32), np.empty(total, np.uint32), np.empty(total, np.uint32), np.empty(total, np.uint64)
    )
    places = starts[:-1].copy()
    for table, row_map in zip(tables, row_maps, strict=True):
        put_in_lists(*table, row_map, places, *new[1:])
    return new


def words_of(descriptors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The words nearest to each descriptor and its signature in each.

    Args:
        descriptors: float32 (n, 128), of unit length.
        count: How many words, 1 or 4.

    Returns:
        int32 (n, count), the nearest first, and uint64 (n, count).
    """
    centres = vocabulary()
    halves = descriptors.reshape(-1, 2, 64)
    nearest = [_nearest(halves[:, side], centres[side], 1 if count == 1 else 2) for side in (0, 1)]
    first, second = nearest[0][:, :, None], nearest[1][:, None, :]
    words = (first * HALVES + second).reshape(len(descriptors), count)
    projected = descriptors @ _planes().T
    centres_there = [(centres[side] @ _planes()[:, 64 * side : 64 * side + 64].T)[nearest[side]] for side in (0, 1)]
    offsets = centres_there[0][:, :, None] + centres_there[1][:, None, :]
    sides = projected[:, None] > offsets.reshape(len(descriptors), count, _BITS)
    return words.astype(np.int32), np.packbits(sides, axis=-1).view(np.uint64)[..., 0]


def packed_geometry(features: Features) -> np.ndarray:
    """Place, size and direction of each feature in four bytes: uint32 (n,).

    The bytes, from the lowest: x and y on the canvas; SIZE_STEPS times the logarithm to base 2 of the size; 256ths of a
    full turn.
    """
    sizes = SIZE_STEPS * np.log2(np.maximum(features.sizes, 1))
    parts = np.column_stack([features.points, sizes, features.angles * (256 / 360) % 256]).round()
    parts[:, 3] %= 256
    return np.ascontiguousarray(parts.clip(0, 255).astype(np.uint8)).view(np.uint32).reshape(-1)


@cache
def vocabulary() -> np.ndarray:
    """The centres of the halves of descriptors, which `vocabulary.py` has trained: float32 (2, HALVES, 64)."""
    return np.load(_FILE, allow_pickle=False).astype(np.float32)


@cache
def _planes() -> np.ndarray:
    """Normals of 64 planes at right angles: float32 (64, 128)."""
    drawn = np.random.default_rng(_SEED).standard_normal((128, _BITS))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def _largest(features: Features) -> Features:
    if len(features) <= KEPT:
        return features
    kept = np.sort(np.argsort(-features.sizes, kind="stable")[:KEPT])
    chosen = (part[kept] for part in (features.points, features.sizes, features.angles, features.descriptors))
    return Features(features.grey, *chosen)


def _nearest(points: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    distances = (centres**2).sum(axis=1) - 2 * points @ centres.T
    if count > 1:
        return np.argsort(distances, axis=1, kind="stable")[:, :count]
    return distances.argmin(axis=1)[:, None]
