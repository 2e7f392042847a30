"""The keyed patterns in which a picture is measured: 256 low frequencies, four in each cell of an 8 x 8 grid.

A picture of any size is measured on a canvas of 64 x 64, so a scaled or stretched copy needs no search. What is drawn
over a part of it disturbs the cells there and no others.
"""

from functools import cache

import numpy as np

from twig_assets.provenance.watermark.key import WatermarkKey

CANVAS = 64
CELL = 8
PER_CELL = 4
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def canvas_of(pixels: np.ndarray) -> np.ndarray:
    """The luma of a picture, uint8 (H, W, 3), on the canvas: float32 (CANVAS, CANVAS), 0 to 255."""
    import cv2

    # The channels are weighed after reducing, which is the same and costs less.
    how = cv2.INTER_AREA if min(pixels.shape[:2]) > CANVAS else cv2.INTER_LINEAR
    small = cv2.resize(np.ascontiguousarray(pixels, np.float32), (CANVAS, CANVAS), interpolation=how)
    return np.asarray(small, np.float32) @ _LUMA


def patterns(key: WatermarkKey) -> np.ndarray:
    """Patterns of a key: float32 (cells, PER_CELL, CELL * CELL), orthonormal.

    In each cell, four of the eight rows of a Hadamard matrix over eight frequencies of the cosine transform, with keyed
    signs: every pattern spreads over all eight.
    """
    from scipy.linalg import hadamard

    cells = (CANVAS // CELL) ** 2
    count = len(_FREQUENCIES)
    signs = 1.0 - 2.0 * np.unpackbits(np.frombuffer(key.stream("signs", cells * count // 8), np.uint8))
    ranks = np.frombuffer(key.stream("rows", 8 * cells * count), "<u8").reshape(cells, count)
    rows = hadamard(count)[np.argsort(ranks, axis=1, kind="stable")[:, :PER_CELL]] / np.sqrt(count)
    return np.asarray((rows * signs.reshape(cells, 1, count)) @ _waves(), np.float32)


def measured(canvas: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How much of each pattern is in canvases.

    Args:
        canvas: float32 (..., CANVAS, CANVAS).
        drawn: What `patterns` gives.

    Returns:
        float32 (..., 256).
    """
    cells = in_cells(canvas)
    return np.asarray((cells[..., None, :] @ np.swapaxes(drawn, 1, 2))[..., 0, :]).reshape(*canvas.shape[:-2], -1)


def summed(amounts: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The canvas that has these amounts, float32 (256,), of the patterns: float32 (CANVAS, CANVAS)."""
    cells = amounts.reshape(len(drawn), 1, PER_CELL) @ drawn
    side = CANVAS // CELL
    return np.asarray(cells.reshape(side, side, CELL, CELL).swapaxes(1, 2).reshape(CANVAS, CANVAS))


def in_cells(canvas: np.ndarray) -> np.ndarray:
    """Canvases cut into cells, row by row: (..., CANVAS, CANVAS) to (..., cells, CELL * CELL)."""
    side = CANVAS // CELL
    parts = canvas.reshape(*canvas.shape[:-2], side, CELL, side, CELL)
    return np.swapaxes(parts, -3, -2).reshape(*canvas.shape[:-2], side * side, CELL * CELL)


@cache
def _waves() -> np.ndarray:
    """The eight waves of a cell: float64 (8, CELL * CELL), orthonormal."""
    from scipy.fft import idctn

    waves = []
    for down, across in _FREQUENCIES:
        spectrum = np.zeros((CELL, CELL))
        spectrum[down, across] = 1
        waves.append(idctn(spectrum, norm="ortho").ravel())
    return np.stack(waves)
