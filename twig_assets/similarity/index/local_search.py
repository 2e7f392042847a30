"""Which views share local features with an image, placed alike: votes from inverted lists.

Source: Jegou, Douze and Schmid, "Hamming Embedding and Weak Geometric Consistency for Large Scale Image Search",
ECCV 2008: matches vote together when they agree on how much the work is turned and resized.
"""

from collections.abc import Sequence

import numpy as np

from twig_assets.similarity.detectors.local_features import Features
from twig_assets.similarity.index.local_kernels import alike
from twig_assets.similarity.index.local_words import SIZE_STEPS, WORDS, LocalEntries, packed_geometry, words_of

MULTIPLE = 4
"""Words that a feature of an image is looked for in."""

MAX_BITS = 20
"""Signatures of matching features differ in at most so many of 64 bits."""

LEAST_VOTES = 3.0
"""With fewer votes a view is not proposed; a match that differs in no bit has one, less if its list is long."""

_TURNS, _SIZES = 16, 16
_ROOM = 1 << 16
_RANKED = [("row", np.int64), ("votes", np.float32)]


def local_votes(
    tables: Sequence[LocalEntries], counts: Sequence[int], variants: Sequence[Features], least: float = LEAST_VOTES
) -> np.ndarray:
    """Votes for every view that has enough of them, from the variant of the image that gives it most.

    Args:
        tables: The features of each segment.
        counts: Views in each segment.
        variants: The features of the image as it is, mirrored and so on.
        least: How many are enough.

    Returns:
        Structured array with `row` (int64, counted through all segments) and `votes` (float32), most votes first, of
        equals the first row.
    """
    features = np.concatenate([of_variant.descriptors for of_variant in variants])
    geometry = np.concatenate([packed_geometry(of_variant) for of_variant in variants])
    variant = np.repeat(np.arange(len(variants)), [len(of_variant) for of_variant in variants])
    if len(features) == 0 or not tables:
        return np.empty(0, _RANKED)
    words, signatures = words_of(features, MULTIPLE)
    total = max(1, sum(len(table.rows) for table in tables))
    lengths = sum((np.diff(table.starts.astype(np.int64)) for table in tables), np.zeros(WORDS, np.int64))
    # A word that is twice as common as the average word says less.
    rarity = np.minimum(1, np.log1p(total / WORDS + 1) / np.log1p(lengths + 1))[words[:, 0]].astype(np.float32)
    found, first = [], 0
    for table, count in zip(tables, counts, strict=True):
        rows, feature, theirs, far = _matches(table, words, signatures)
        weight = (1 - far / (MAX_BITS + 1.0)).astype(np.float32) * rarity[feature]
        found.append((first + rows.astype(np.int64), feature, theirs, weight))
        first += count
    rows, feature, theirs, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _agreeing(rows, feature, variant[feature], geometry[feature], theirs, weight, least)


def _matches(table: LocalEntries, words: np.ndarray, signatures: np.ndarray) -> tuple[np.ndarray, ...]:
    room = _ROOM
    while True:
        found = tuple(np.empty(room, kind) for kind in (np.uint32, np.int32, np.uint32, np.uint8))
        count = alike(*table, words, signatures, MAX_BITS, *found)
        if count <= room:
            return tuple(part[:count] for part in found)
        room = count


def _agreeing(
    rows: np.ndarray,
    feature: np.ndarray,
    variant: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    weight: np.ndarray,
    least: float,
) -> np.ndarray:
    """Sum up the votes that agree on a turn and a change of size."""
    turn = ((ours >> 24) - (theirs >> 24)) & 0xFF
    growth = (((ours >> 16) & 0xFF).astype(np.int64) - ((theirs >> 16) & 0xFF)) / SIZE_STEPS
    best: dict[str, np.ndarray] = {"row": np.zeros(0, np.int64), "votes": np.zeros(0, np.float32)}
    # Bins overlap by half, so that no alignment lies on the edge of all that it falls into.
    for shift_turn, shift_size in ((0, 0.0), (8, 0.0), (0, 0.5), (8, 0.5)):
        of_turn = ((turn + shift_turn) & 0xFF) * _TURNS // 256
        of_size = np.clip(np.floor(growth + shift_size) + _SIZES // 2, 0, _SIZES - 1).astype(np.int64)
        bins = ((rows * 4 + variant) * _TURNS + of_turn) * _SIZES + of_size
        votes, owners = _one_vote_each(bins, feature, weight)
        best["row"] = np.concatenate([best["row"], owners // (_SIZES * _TURNS * 4)])
        best["votes"] = np.concatenate([best["votes"], votes])
    views, place = np.unique(best["row"], return_inverse=True)
    votes = np.zeros(len(views), np.float32)
    np.maximum.at(votes, place, best["votes"])
    enough = votes >= least
    order = np.lexsort((views[enough], -votes[enough]))
    ranked = np.empty(len(order), _RANKED)
    ranked["row"], ranked["votes"] = views[enough][order], votes[enough][order]
    return ranked


def _one_vote_each(bins: np.ndarray, feature: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Votes in each bin, of every feature its largest: float32 (n,) and the bins."""
    order = np.lexsort((-weight, feature, bins))
    bins, feature, weight = bins[order], feature[order], weight[order]
    first = np.ones(len(bins), bool)
    first[1:] = (bins[1:] != bins[:-1]) | (feature[1:] != feature[:-1])
    owners, place = np.unique(bins[first], return_inverse=True)
    return np.bincount(place, weights=weight[first], minlength=len(owners)).astype(np.float32), owners
