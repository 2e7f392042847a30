"""Which views share local features with an image, placed alike: votes from inverted lists.

Source: Jegou, Douze and Schmid, "Hamming Embedding and Weak Geometric Consistency for Large Scale Image Search",
ECCV 2008: matches vote together when they agree on how much the work is turned and resized.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

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

_TURNS, _SIZES, _VARIANTS = 16, 16, 4
_ROUNDING = 1e-3
_ROOM = 1 << 16
_RANKED = [("row", np.int64), ("votes", np.float32)]


class _Asked(NamedTuple):
    """The features of an image in all its variants.

    Attributes:
        variant: int64 (F,): of which variant each is.
        geometry: uint32 (F,), see `packed_geometry`.
        words: int32 (F, MULTIPLE), the nearest first.
        signatures: uint64 (F, MULTIPLE).
    """

    variant: np.ndarray
    geometry: np.ndarray
    words: np.ndarray
    signatures: np.ndarray

    @classmethod
    def of(cls, variants: Sequence[Features]) -> "_Asked":
        features = np.concatenate([of_variant.descriptors for of_variant in variants])
        geometry = np.concatenate([packed_geometry(of_variant) for of_variant in variants])
        variant = np.repeat(np.arange(len(variants)), [len(of_variant) for of_variant in variants])
        return cls(variant, geometry, *words_of(features, MULTIPLE))


def local_votes(
    tables: Sequence[LocalEntries], counts: Sequence[int], variants: Sequence[Features], least: float = LEAST_VOTES
) -> np.ndarray:
    """Votes for every view that has enough of them; see `local_votes_each`."""
    return local_votes_each(tables, counts, [variants], least)[0]


def local_votes_each(
    tables: Sequence[LocalEntries],
    counts: Sequence[int],
    images: Sequence[Sequence[Features]],
    least: float = LEAST_VOTES,
    searched: Callable[[int], None] = lambda number: None,
) -> list[np.ndarray]:
    """For each image votes for every view that has enough, from the variant of the image that gives it most.

    Args:
        tables: The features of each segment.
        counts: Views in each segment.
        images: Of each image the features as it is, mirrored and so on: at most four variants.
        least: How many votes are enough.
        searched: Called with the number of each segment when all images were looked for in it.

    Returns:
        For each image a structured array with `row` (int64, counted through all segments) and `votes` (float32), most
        votes first, of equals the first row.
    """
    asked = [_Asked.of(variants) for variants in images]
    lengths = sum((np.diff(table.starts.astype(np.int64)) for table in tables), np.zeros(WORDS, np.int64))
    # A word that is twice as common as the average word says less.
    average = max(1, lengths.sum()) / WORDS
    rarity = np.minimum(1, np.log1p(average + 1) / np.log1p(lengths + 1)).astype(np.float32)
    found: list[list[np.ndarray]] = [[np.empty(0, _RANKED)] for _ in images]
    first = 0
    for number, (table, count) in enumerate(zip(tables, counts, strict=True)):
        for of_image, ranked in zip(asked, found, strict=True):
            in_segment = _votes_in(table, count, of_image, rarity, least)
            in_segment["row"] += first
            ranked.append(in_segment)
        searched(number)
        first += count
    return [_ranked(np.concatenate(of_image)) for of_image in found]


def _votes_in(table: LocalEntries, count: int, asked: _Asked, rarity: np.ndarray, least: float) -> np.ndarray:
    if len(asked.variant) == 0:
        return np.empty(0, _RANKED)
    rows, feature, theirs, far = _matches(table, asked.words, asked.signatures)
    weight = (1 - far / (MAX_BITS + 1.0)).astype(np.float32) * rarity[asked.words[feature, 0]]
    # Most matches are of views that have too few of them, whether these agree or not.
    owner = rows.astype(np.int64) * _VARIANTS + asked.variant[feature]
    enough = np.bincount(owner, weights=weight, minlength=count * _VARIANTS)[owner] >= least - _ROUNDING
    rows, feature, theirs, weight = rows[enough], feature[enough], theirs[enough], weight[enough]
    return _agreeing(
        rows.astype(np.int64), feature, asked.variant[feature], asked.geometry[feature], theirs, weight, least
    )


def _ranked(votes: np.ndarray) -> np.ndarray:
    return votes[np.lexsort((votes["row"], -votes["votes"]))]


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
        bins = ((rows * _VARIANTS + variant) * _TURNS + of_turn) * _SIZES + of_size
        votes, owners = _one_vote_each(bins, feature, weight)
        best["row"] = np.concatenate([best["row"], owners // (_SIZES * _TURNS * _VARIANTS)])
        best["votes"] = np.concatenate([best["votes"], votes])
    views, place = np.unique(best["row"], return_inverse=True)
    votes = np.zeros(len(views), np.float32)
    np.maximum.at(votes, place, best["votes"])
    enough = votes >= least
    found = np.empty(int(enough.sum()), _RANKED)
    found["row"], found["votes"] = views[enough], votes[enough]
    return found


def _one_vote_each(bins: np.ndarray, feature: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Votes in each bin, of every feature its largest: float32 (n,) and the bins."""
    order = np.lexsort((-weight, feature, bins))
    bins, feature, weight = bins[order], feature[order], weight[order]
    first = np.ones(len(bins), bool)
    first[1:] = (bins[1:] != bins[:-1]) | (feature[1:] != feature[:-1])
    owners, place = np.unique(bins[first], return_inverse=True)
    return np.bincount(place, weights=weight[first], minlength=len(owners)).astype(np.float32), owners
