"""The scores an audit reports: found by the engine, and computed in float64 wherever they are shown or decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.structural.exact import Statistics, statistics, sums_of_pair
from twig_assets.similarity.structural.information import information_score
from twig_assets.similarity.structural.pictures import BORDER, check_choices, check_masks, check_pictures
from twig_assets.similarity.structural.resized import BACK, Resized, ResizedWorks, turned_back
from twig_assets.similarity.structural.scan import ERROR, INFORMED_ERROR, InformedQueries
from twig_assets.similarity.structural.whole import WholeQueries

_EQUAL = 1e-9
"""Scores of two orientations that differ by less are equal but for rounding, as those of a symmetric work are."""

_QUERY_BYTES = 256 << 20


class Near(NamedTuple):
    """From which scores on a pair may decide about an image.

    Attributes:
        whole: SSIM.
        masked: SSIM inside the mask.
        informed: `iw_ssim` that the pair must reach as well, whole or inside the mask.
    """

    whole: float
    masked: float
    informed: float


@dataclass(frozen=True)
class PairScores:
    """Scores of Q queries against N references.

    The best `listed` references of each query, the best one inside the mask, those with the most information in common,
    and those that are `near` have exact scores: computed in float64. The others are within
    the engine's error of them.

    Attributes:
        whole: float64 (Q, N), the best mean SSIM over the orientations, -1 to 1.
        whole_orientation: int (Q, N), index into ORIENTATIONS of that best.
        informed: float64 (Q, N), `iw_ssim` in that orientation, -1 to 1.
        masked: float64 (Q, N), the best mean inside the query's mask; NaN where the mask has no pixel in the border.
        masked_orientation: int (Q, N).
        masked_informed: float64 (Q, N), `iw_ssim` inside the mask in that orientation; NaN likewise.
    """

    whole: np.ndarray
    whole_orientation: np.ndarray
    informed: np.ndarray
    masked: np.ndarray
    masked_orientation: np.ndarray
    masked_informed: np.ndarray


@dataclass(frozen=True)
class _Turns:
    """Scores of one query with N references in each orientation: float64 (N, orientations)."""

    whole: np.ndarray
    informed: np.ndarray
    masked: np.ndarray
    masked_informed: np.ndarray

    def leading(self) -> np.ndarray:
        """Bool (N, orientations): which could be the best of their pair once the engine's error is taken away."""
        return self._leads(self.whole) | self._leads(self.masked)

    def decisive(self, listed: int, near: Near | None) -> list[int]:
        """The references whose scores are shown or may decide."""
        if listed >= len(self.whole):
            return list(range(len(self.whole)))
        by_whole, by_mask = self.whole.max(axis=1), self.masked.max(axis=1)
        informed = np.where(self._leads(self.whole), self.informed, -2).max(axis=1)
        by_mask_informed = np.where(self._leads(self.masked), self.masked_informed, -2).max(axis=1)
        last = np.sort(by_whole)[-listed:][0]
        chosen = (by_whole >= last - 2 * ERROR) | (by_mask >= by_mask.max() - 2 * ERROR)
        chosen |= informed >= informed.max() - 2 * INFORMED_ERROR
        if not np.isnan(by_mask).any():
            chosen |= by_mask_informed >= by_mask_informed.max() - 2 * INFORMED_ERROR
        if near is not None:
            enough = near.informed - INFORMED_ERROR
            chosen |= (by_whole >= near.whole - ERROR) & (informed >= enough)
            chosen |= (by_mask >= near.masked - ERROR) & (by_mask_informed >= enough)
        return np.flatnonzero(chosen).tolist()

    def _leads(self, scores: np.ndarray) -> np.ndarray:
        return scores >= scores.max(axis=1, keepdims=True) - 2 * ERROR


def pair_scores(
    queries: np.ndarray,
    references: Sequence[np.ndarray],
    *,
    masks: np.ndarray | None,
    orientations: int,
    listed: int,
    near: Near | None = None,
    works: ResizedWorks | None = None,
) -> PairScores:
    """Whole and masked scores of every pair.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), at least 11 px on each side.
        references: N uint8 arrays of shape (h, w, 3) of any size; see `oriented_stack` for how they are resized.
        masks: bool array of shape (Q, H, W), or None for NaN in the masked scores.
        orientations: 1 or 8.
        listed: How many references of each query must have exact scores.
        near: From where on further pairs must have exact scores.
        works: Where references are kept at the sizes of queries, for further calls with the same arrays.

    Raises:
        ValueError: If shapes, types or `orientations` are other than this.
    """
    check_pictures("queries", queries)
    check_choices(orientations, 1)
    # All of it will be exact: the engine only has to say which orientations may be the best.
    all_exact = masks is None and listed >= len(references)
    if masks is None:
        masks = np.zeros(queries.shape[:3], bool)
    check_masks("masks", masks, queries.shape[:3])
    works = ResizedWorks() if works is None else works
    exact = [_Exact(query, mask) for query, mask in zip(queries, masks, strict=True)]
    scan = _whole if all_exact else partial(_all_four, masks=masks)
    scores = scan(queries, references, works, orientations=orientations)
    for row in range(len(queries)):
        turns = _Turns(*scores[:, row])
        leading, decisive = turns.leading(), turns.decisive(listed, near)
        for column in decisive:
            work = works.at(references[column], *queries.shape[1:3])
            _make_leading_exact(scores[:, row, column], leading[column], exact[row], work)
    whole, informed, masked, masked_informed = scores
    return PairScores(*_best(whole, informed), *_best(masked, masked_informed))


def _make_leading_exact(scores: np.ndarray, leading: np.ndarray, query: "_Exact", work: Resized) -> None:
    """Put exact scores in the place of those that may be the best: float64 (4, orientations) and bool (orientations,).

    The likeliest comes first, so that most of the others are known to stay below it.
    """
    best = np.full(2, -np.inf)
    for turn in sorted(np.flatnonzero(leading).tolist(), key=lambda turn: -scores[0, turn]):
        if (scores[[0, 2], turn] + ERROR >= best - _EQUAL).any():
            scores[:, turn] = query.scores(work, turn)
            best = np.fmax(best, scores[[0, 2], turn])


def _whole(
    queries: np.ndarray, references: Sequence[np.ndarray], works: ResizedWorks, *, orientations: int
) -> np.ndarray:
    """float64 (4, Q, N, orientations): SSIM by the engine; nothing else is known."""
    height, width = queries.shape[1:3]
    scores = np.full((4, len(queries), len(references), orientations), np.nan)
    for start in range(0, len(queries), step := _at_once(queries, orientations)):
        prepared = WholeQueries(queries[start : start + step], orientations)
        for first in range(0, len(references), prepared.works_at_once):
            part = references[first : first + prepared.works_at_once]
            found = prepared.scores([works.at(reference, height, width) for reference in part])
            scores[0, start : start + step, first : first + len(part)] = found
    return scores


def _all_four(
    queries: np.ndarray, references: Sequence[np.ndarray], works: ResizedWorks, *, orientations: int, masks: np.ndarray
) -> np.ndarray:
    """float64 (4, Q, N, orientations): SSIM and `iw_ssim` by the engine, and both inside the masks."""
    scores = np.empty((4, len(queries), len(references), orientations))
    for start in range(0, len(queries), step := _at_once(queries, orientations)):
        part = slice(start, start + step)
        prepared = InformedQueries(queries[part], masks[part], orientations)
        for column, reference in enumerate(references):
            scores[:, part, column] = prepared.scores(works.at(reference, *queries.shape[1:3]))
    return scores


def _at_once(queries: np.ndarray, orientations: int) -> int:
    return max(1, _QUERY_BYTES // InformedQueries.bytes_each(queries, orientations))


def make_exact(
    scores: PairScores,
    row: int,
    column: int,
    query: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    works: ResizedWorks | None = None,
) -> None:
    """Put exact scores over eight orientations in the place of one pair's.

    Args:
        scores: The scores to change, made with eight orientations.
        row: The query's row, from 0.
        column: The reference's column, from 0.
        query: uint8 array of shape (H, W, 3).
        reference: uint8 array of shape (h, w, 3).
        mask: bool array of shape (H, W).
        works: As in `pair_scores`.
    """
    exact = _Exact(query, mask)
    work = (works or ResizedWorks()).at(reference, *query.shape[:2])
    whole, informed, masked, masked_informed = np.array([exact.scores(work, turn) for turn in range(8)]).T[:, None]
    at = row, column
    [scores.whole[at]], [scores.whole_orientation[at]], [scores.informed[at]] = _best(whole, informed)
    [scores.masked[at]], [scores.masked_orientation[at]], [scores.masked_informed[at]] = _best(masked, masked_informed)


_MIRRORED = ((False, False, True, True), (True, False, False, True))
_UPSIDE_DOWN = ((False, True, True, False), (False, False, True, True))
"""For a picture and its mirror image, at each quarter turn: what is to be done to the picture itself, or, for odd
turns, to the picture with its rows for columns."""


class _Exact:
    """A query, to be compared in float64; what is computed of it is kept, for any two orientations together."""

    def __init__(self, query: np.ndarray, mask: np.ndarray) -> None:
        self._query, self._mask = query, mask
        self._inside: dict[int, np.ndarray] = {}
        self._statistics: dict[tuple[bool, bool], Statistics] = {}

    def scores(self, work: Resized, turn: int) -> tuple[float, float, float, float]:
        """SSIM and `iw_ssim` beside a work in one orientation, and the same inside the mask; NaN without one."""
        if turn not in self._inside:
            [mask] = turned_back(self._mask, [turn])
            self._inside[turn] = _inner(mask).astype(np.float64)
        inside = self._inside[turn]
        is_mirror_image, quarters = divmod(BACK[turn], 4)
        own = self._of(quarters % 2 == 1, _MIRRORED[is_mirror_image][quarters])
        sums = sums_of_pair(own, work.look(turn).statistics, inside, _UPSIDE_DOWN[is_mirror_image][quarters])
        channels, pixels = len(own.means), inside.size
        whole = sums.ssim / (pixels * channels), information_score(sums.shared, sums.possible, pixels, channels)
        if not self._masked:
            return *whole, np.nan, np.nan
        ssim, shared, possible = sums.masked
        informed = information_score(shared, possible, self._masked, channels)
        return *whole, ssim / (self._masked * channels), informed

    def _of(self, sideways: bool, mirrored: bool) -> Statistics:
        key = sideways, mirrored
        if key not in self._statistics:
            picture = self._query.swapaxes(0, 1) if sideways else self._query
            self._statistics[key] = statistics(picture[:, ::-1] if mirrored else picture)
        return self._statistics[key]

    @cached_property
    def _masked(self) -> int:
        """How many pixels of the SSIM map are inside the mask."""
        return int(_inner(self._mask).sum())


def _inner(mask: np.ndarray) -> np.ndarray:
    """The part of a mask that the SSIM map covers."""
    return mask[BORDER:-BORDER, BORDER:-BORDER]


def _best(scores: np.ndarray, informed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best score over the orientations (the last axis; the first of equals), where it is, and `iw_ssim` there."""
    with np.errstate(invalid="ignore"):
        index = (scores >= scores.max(axis=-1, keepdims=True) - _EQUAL).argmax(axis=-1)
    best, there = (np.take_along_axis(values, index[..., None], axis=-1)[..., 0] for values in (scores, informed))
    return best, index, there
