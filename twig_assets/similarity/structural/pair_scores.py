"""The scores an audit reports: found by the engine, and computed in float64 wherever they are shown or decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.orientations import oriented_stack
from twig_assets.similarity.structural.information import Moments, information_maps, information_score, moments
from twig_assets.similarity.structural.pictures import BORDER, check_masks, check_pictures
from twig_assets.similarity.structural.scan import ERROR, INFORMED_ERROR, informed_scan
from twig_assets.similarity.structural.ssim import ssim_of_channels


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
    and those that are `near` have exact scores: of SSIM those that scikit-image gives in float64. The others are within
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
    threads: int = 1,
) -> PairScores:
    """Whole and masked scores of every pair.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), at least 11 px on each side.
        references: N uint8 arrays of shape (h, w, 3) of any size; see `oriented_stack` for how they are resized.
        masks: bool array of shape (Q, H, W), or None for NaN in the masked scores.
        orientations: 1 or 8.
        listed: How many references of each query must have exact scores.
        near: From where on further pairs must have exact scores.
        threads: As in `ssim_all_pairs`.

    Raises:
        ValueError: If shapes, types, `orientations` or `threads` are other than this.
    """
    check_pictures("queries", queries)
    if masks is None:
        masks = np.zeros(queries.shape[:3], bool)
    check_masks("masks", masks, queries.shape[:3])
    whole, informed, masked, masked_informed = np.empty((4, len(queries), len(references), orientations))
    for scores in informed_scan(queries, references, masks, orientations, threads):
        block = scores.rows, scores.columns
        whole[block], masked[block] = scores.whole, scores.masked
        informed[block], masked_informed[block] = scores.informed, scores.masked_informed
    for row, query in enumerate(queries):
        turns = _Turns(whole[row], informed[row], masked[row], masked_informed[row])
        leading, decisive = turns.leading(), turns.decisive(listed, near)
        own, inside = moments(query), _inside(masks[row])
        for column in decisive:
            stack = oriented_stack(references[column], query.shape[0], query.shape[1], orientations)
            for turn in np.flatnonzero(leading[column]):
                exact = _exact(query, own, stack[turn], inside)
                whole[row, column, turn], informed[row, column, turn] = exact[:2]
                if inside is not None:
                    masked[row, column, turn], masked_informed[row, column, turn] = exact[2:]
    return PairScores(*_best(whole, informed), *_best(masked, masked_informed))


def make_exact(
    scores: PairScores, row: int, column: int, query: np.ndarray, reference: np.ndarray, mask: np.ndarray
) -> None:
    """Put exact scores over eight orientations in the place of one pair's.

    Args:
        scores: The scores to change, made with eight orientations.
        row: The query's row, from 0.
        column: The reference's column, from 0.
        query: uint8 array of shape (H, W, 3).
        reference: uint8 array of shape (h, w, 3).
        mask: bool array of shape (H, W).
    """
    own, inside = moments(query), _inside(mask)
    stack = oriented_stack(reference, query.shape[0], query.shape[1], 8)
    whole, informed, masked, masked_informed = np.array([_exact(query, own, turned, inside) for turned in stack]).T
    best = int(whole.argmax())
    at = row, column
    scores.whole[at], scores.whole_orientation[at], scores.informed[at] = whole[best], best, informed[best]
    if inside is not None:
        best = int(masked.argmax())
        scores.masked[at], scores.masked_orientation[at] = masked[best], best
        scores.masked_informed[at] = masked_informed[best]


def _inside(mask: np.ndarray) -> np.ndarray | None:
    """The part of a mask that the SSIM map covers; None if it is empty."""
    inner = mask[BORDER:-BORDER, BORDER:-BORDER]
    return inner if inner.any() else None


def _exact(
    query: np.ndarray, own: Moments, turned: np.ndarray, inside: np.ndarray | None
) -> tuple[float, float, float, float]:
    """SSIM and `iw_ssim` of two pictures, and the same inside a mask; NaN without one."""
    ssim = ssim_of_channels(query, turned)
    shared, possible = information_maps(own, moments(turned), ssim)
    pixels, channels = possible.size, ssim.shape[-1]
    ssim_map = ssim.mean(axis=-1)
    whole = float(ssim_map.mean()), information_score(shared.sum(), possible.sum(), pixels, channels)
    if inside is None:
        return *whole, np.nan, np.nan
    pixels = int(inside.sum())
    informed = information_score(shared[inside].sum(), possible[inside].sum(), pixels, channels)
    return *whole, float(ssim_map[inside].mean()), informed


def _best(scores: np.ndarray, informed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best score over the orientations, where it is, and `iw_ssim` there."""
    index = scores.argmax(axis=2)
    best, there = (np.take_along_axis(values, index[..., None], axis=2)[..., 0] for values in (scores, informed))
    return best, index, there
