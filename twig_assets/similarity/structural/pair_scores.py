"""The scores an audit reports: found by the engine, and computed by scikit-image wherever they are shown or decide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.orientations import oriented_stack
from twig_assets.similarity.structural.pictures import BORDER, check_masks, check_pictures
from twig_assets.similarity.structural.scan import ERROR, scan
from twig_assets.similarity.structural.ssim import ssim_map


@dataclass(frozen=True)
class PairScores:
    """Scores of Q queries against N references.

    Of each query, the best `listed` references, and the best one inside the mask, have the scores that scikit-image
    gives in float64; the others, which are lower, are within the engine's error of them.

    Attributes:
        whole: float64 (Q, N), the best mean SSIM over the orientations, -1 to 1.
        whole_orientation: int (Q, N), index into ORIENTATIONS of that best.
        masked: float64 (Q, N), the best mean inside the query's mask; NaN where the mask has no pixel in the border.
        masked_orientation: int (Q, N).
    """

    whole: np.ndarray
    whole_orientation: np.ndarray
    masked: np.ndarray
    masked_orientation: np.ndarray


def pair_scores(
    queries: np.ndarray,
    references: Sequence[np.ndarray],
    *,
    masks: np.ndarray | None,
    orientations: int,
    listed: int,
    threads: int = 1,
) -> PairScores:
    """Whole and masked scores of every pair.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), at least 11 px on each side.
        references: N uint8 arrays of shape (h, w, 3) of any size; see `oriented_stack` for how they are resized.
        masks: bool array of shape (Q, H, W), or None for NaN in the masked scores.
        orientations: 1 or 8.
        listed: How many references of each query must have exact scores.
        threads: As in `ssim_all_pairs`.

    Raises:
        ValueError: If shapes, types, `orientations` or `threads` are other than this.
    """
    check_pictures("queries", queries)
    if masks is not None:
        check_masks("masks", masks, queries.shape[:3])
    whole = np.empty((len(queries), len(references), orientations))
    masked = np.empty_like(whole)
    for scores in scan(queries, references, masks, None, orientations, threads):
        whole[scores.rows, scores.columns] = scores.whole
        masked[scores.rows, scores.columns] = scores.masked
    for row, query in enumerate(queries):
        inside = None if masks is None or np.isnan(masked[row]).any() else masks[row, BORDER:-BORDER, BORDER:-BORDER]
        for column in _decisive(whole[row], masked[row], listed):
            stack = oriented_stack(references[column], query.shape[0], query.shape[1], orientations)
            whole[row, column], masked[row, column] = _exact(
                query, stack, inside, whole[row, column], masked[row, column]
            )
    return PairScores(*_best(whole), *_best(masked))


def make_exact(
    scores: PairScores, row: int, column: int, query: np.ndarray, reference: np.ndarray, mask: np.ndarray
) -> None:
    """Put the scores that scikit-image gives in float64, over eight orientations, in the place of one pair's.

    Args:
        scores: The scores to change, made with eight orientations.
        row: The query's row, from 0.
        column: The reference's column, from 0.
        query: uint8 array of shape (H, W, 3).
        reference: uint8 array of shape (h, w, 3).
        mask: bool array of shape (H, W).
    """
    maps = [ssim_map(query, turned) for turned in oriented_stack(reference, query.shape[0], query.shape[1], 8)]
    whole = [float(ssim_of_pixels.mean()) for ssim_of_pixels in maps]
    scores.whole[row, column], scores.whole_orientation[row, column] = max(whole), int(np.argmax(whole))
    if not np.isnan(scores.masked[row, column]):
        inside = mask[BORDER:-BORDER, BORDER:-BORDER]
        masked = [float(ssim_of_pixels[inside].mean()) for ssim_of_pixels in maps]
        scores.masked[row, column], scores.masked_orientation[row, column] = max(masked), int(np.argmax(masked))


def _decisive(whole: np.ndarray, masked: np.ndarray, listed: int) -> list[int]:
    """The references that could be among the best of one query once the engine's error is taken away."""
    by_whole, by_mask = whole.max(axis=1), masked.max(axis=1)
    last = np.sort(by_whole)[-listed:][0]
    return np.flatnonzero((by_whole >= last - 2 * ERROR) | (by_mask >= by_mask.max() - 2 * ERROR)).tolist()


def _exact(
    query: np.ndarray, stack: np.ndarray, inside: np.ndarray | None, whole: np.ndarray, masked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of one pair, with the orientations that could be the best computed by scikit-image."""
    whole, masked = whole.copy(), masked.copy()
    leading = whole >= whole.max() - 2 * ERROR
    leading_masked = masked >= masked.max() - 2 * ERROR
    for turn in np.flatnonzero(leading | leading_masked):
        ssim_of_pixels = ssim_map(query, stack[turn])
        whole[turn] = ssim_of_pixels.mean()
        if inside is not None:
            masked[turn] = (ssim_of_pixels * inside).sum() / inside.sum()
    return whole, masked


def _best(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = scores.argmax(axis=2)
    return np.take_along_axis(scores, index[..., None], axis=2)[..., 0], index
