"""Structural similarity as Wang et al. define it, computed by scikit-image.

Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 13(4), 2004, equation 13: an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.
scikit-image does something else by default, so every setting is spelled out here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

from twig_assets.similarity.orientations import oriented_stack

BORDER = 5
"""Pixels at each edge whose window leaves the picture; they are not averaged."""

MIN_SIDE = 2 * BORDER + 1
"""The shortest side, in pixels, of a picture that has an SSIM."""


@dataclass(frozen=True)
class PairScores:
    """Scores of Q queries against N references.

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


def wang_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM of two pictures over all pixels but a 5 px border, and over the three channels.

    Args:
        a: uint8 array of shape (H, W, 3), at least 11 px on each side.
        b: Like `a`.

    Returns:
        1 for equal pictures, about 0 for unrelated texture, down to -1.

    Raises:
        ValueError: If shapes or types are other than this.
    """
    return float(ssim_map(a, b).mean())


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of the window round every pixel, averaged over the channels, without the 5 px border.

    Args:
        a: uint8 array of shape (H, W, 3), at least 11 px on each side.
        b: Like `a`.

    Returns:
        float64 array of shape (H - 10, W - 10) with values from -1 to 1.

    Raises:
        ValueError: If shapes or types are other than this.
    """
    _check("a", a[None])
    _check("b", b[None])
    _same_size(a[None], b[None])
    return _full_map(a, b)


def ssim_all_pairs(
    queries: np.ndarray, references: np.ndarray, *, masks: np.ndarray | None = None, orientations: int = 1
) -> np.ndarray:
    """SSIM of every query with every reference.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), at least 11 px on each side.
        references: uint8 array of shape (N, H, W, 3).
        masks: bool array of shape (Q, H, W), True where a query is to be compared; None compares all of it.
        orientations: 1, or 8 for the best over the flips and quarter turns of the reference. When H and W differ, a
            quarter turn is resized back to H x W (Lanczos).

    Returns:
        float32 array of shape (Q, N) with values from -1 to 1; NaN in the row of a query whose mask has no pixel
        more than 5 px from the edge.

    Raises:
        ValueError: If shapes, types or `orientations` are other than this.
    """
    _check("queries", queries)
    _check("references", references)
    _same_size(queries, references)
    scores = pair_scores(queries, list(references), masks=masks, orientations=orientations)
    return (scores.whole if masks is None else scores.masked).astype(np.float32)


def pair_scores(
    queries: np.ndarray, references: Sequence[np.ndarray], *, masks: np.ndarray | None, orientations: int
) -> PairScores:
    """Whole and masked scores of every pair, from one SSIM map per pair and orientation.

    Args:
        queries: uint8 array of shape (Q, H, W, 3), at least 11 px on each side.
        references: N uint8 arrays of shape (h, w, 3) of any size; see `oriented_stack` for how they are resized.
        masks: bool array of shape (Q, H, W), or None for NaN in the masked scores.
        orientations: 1 or 8.

    Raises:
        ValueError: If shapes, types or `orientations` are other than this.
    """
    _check("queries", queries)
    if orientations not in (1, 8):
        raise ValueError(f"orientations: {orientations} is not possible; choose 1 or 8")
    if masks is not None and (masks.dtype != np.bool_ or masks.shape != queries.shape[:3]):
        raise ValueError(f"masks: expected bool {queries.shape[:3]}, got {masks.dtype} {masks.shape}")
    height, width = queries.shape[1:3]
    inside = np.zeros(queries.shape[:3]) if masks is None else masks.astype(np.float64)
    inside = inside[:, BORDER:-BORDER, BORDER:-BORDER]
    whole = np.empty((len(queries), len(references), orientations))
    masked = np.full_like(whole, np.nan)
    for column, reference in enumerate(references):
        _check("references", reference[None], any_size=True)
        stack = oriented_stack(reference, height, width, orientations)
        for row, query in enumerate(queries):
            maps = np.stack([_full_map(query, turned) for turned in stack])
            whole[row, column] = maps.mean(axis=(1, 2))
            if inside[row].any():
                masked[row, column] = (maps * inside[row]).sum(axis=(1, 2)) / inside[row].sum()
    return PairScores(*_best(whole), *_best(masked))


def _best(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = scores.argmax(axis=2)
    return np.take_along_axis(scores, index[..., None], axis=2)[..., 0], index


def _full_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    _, full = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return np.asarray(full[BORDER:-BORDER, BORDER:-BORDER]).mean(axis=-1)


def _check(name: str, pictures: np.ndarray, *, any_size: bool = False) -> None:
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
        got = f"{pictures.dtype} {pictures.shape[1:]}"
        raise ValueError(f"{name}: expected uint8 pictures of shape (H, W, 3), got {got}")
    if not any_size and min(pictures.shape[1:3]) < MIN_SIDE:
        raise ValueError(f"{name}: {pictures.shape[1:3]} is too small; SSIM needs at least {MIN_SIDE} px on each side")


def _same_size(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"pictures of {a.shape[1:3]} and {b.shape[1:3]} pixels cannot be compared; resize one first")
