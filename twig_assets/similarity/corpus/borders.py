"""Borders, bars and captions round a picture: what was put around it, and where the picture itself begins.

A border is of one colour along the edge, and ends along a straight line at something that is not that colour. So a
drawing on a sheet has none: the sheet ends at the drawing's outline, which is no straight line. A caption is a bar on
which little is written. Nested ones, such as a status bar above a heading above a picture, are taken off one by one.
"""

from typing import NamedTuple

import numpy as np

LOOKED_AT = 400
"""Long side, in pixels, at which borders are looked for."""

TOLERANCE = 10
"""Grey levels, in each channel, by which a border may vary."""

ALONG_THE_EDGE = 0.95
"""Share of the outermost line that a border's colour covers."""

STRAIGHT = 0.97
"""Share of the last lines of a border that have its colour; at the outline of a drawing it is less by then."""

LEFT_INSIDE = 0.45
"""Share of a line of the picture that may have the border's colour by chance, in each of the first lines."""

STEP = 24.0
"""Mean difference, of 255, between the last line of a border and the first ones of the picture."""

MOST = 0.45
"""Share of a side that a bar may take."""

LEAST = 0.02
"""Share of a side below which nothing is taken off."""

LEAST_LEFT = 0.15
"""Share of the area that a picture has at least."""

LEAST_SIDE = 96
"""Sides of a picture, in pixels, below which it is not taken out: of an icon a few lines would decide."""
_LINES = 4
_BLENDED = 8
"""Lines before the picture that JPEG may have mixed with it: half a block of colours."""
_NESTED = 3


class Box(NamedTuple):
    """A part of a picture, in pixels: columns `left` to `right`, rows `top` to `bottom`, without the last of each."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The part of a picture, array of shape (h, w, ...)."""
        return pixels[self.top : self.bottom, self.left : self.right]


def inside_borders(pixels: np.ndarray) -> Box | None:
    """Where a picture begins and ends, inside what was put around it.

    Args:
        pixels: uint8 array of shape (h, w, 3).

    Returns:
        None where there is nothing to take off, or too little would be left.
    """
    step = -(-max(pixels.shape[:2]) // LOOKED_AT)
    small = pixels[::step, ::step].astype(np.int16)
    whole = Box(0, 0, small.shape[1], small.shape[0])
    box = whole
    for _ in range(_NESTED):
        smaller = _without_frame(small, box) or _without_bars(small, box)
        if smaller is None:
            break
        box = smaller
    if box == whole:
        return None
    # A sampled line stands for the ones behind it: what is cut is a line more, never one less.
    inner = Box(
        box.left * step,
        box.top * step,
        pixels.shape[1] if box.right == whole.right else (box.right - 1) * step + 1,
        pixels.shape[0] if box.bottom == whole.bottom else (box.bottom - 1) * step + 1,
    )
    height, width = inner.bottom - inner.top, inner.right - inner.left
    large_enough = height * width >= LEAST_LEFT * pixels.shape[0] * pixels.shape[1]
    return inner if large_enough and min(height, width) >= LEAST_SIDE else None


def _without_frame(small: np.ndarray, box: Box) -> Box | None:
    """Inside a frame of one colour on all four sides, however wide; None if there is no such frame."""
    part = box.of(small)
    edge = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    ground = np.median(edge, axis=0)
    if not _is(edge, ground).mean() >= ALONG_THE_EDGE:
        return None
    drawn = ~_is(part, ground)
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    if not len(rows) or min(rows[-1] - rows[0], columns[-1] - columns[0]) < 2 * _LINES:
        return None
    inner = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    content = inner.of(drawn)
    lines = [content[:_LINES], content[-_LINES:], content[:, :_LINES].T, content[:, -_LINES:].T]
    if any((side.mean(axis=1) < 1 - LEFT_INSIDE).any() for side in lines):
        return None
    return _moved(box, inner)


def _without_bars(small: np.ndarray, box: Box) -> Box | None:
    """Without the bars at any of the four sides; None if there is none."""
    part = box.of(small)
    height, width = part.shape[:2]
    top, bottom = _bar(part), _bar(part[::-1])
    rest = part[top : height - bottom].swapaxes(0, 1)
    left, right = _bar(rest), _bar(rest[::-1])
    if not any((top, bottom, left, right)):
        return None
    return _moved(box, Box(left, top, width - right, height - bottom))


def _bar(part: np.ndarray) -> int:
    """How many of the first lines are a bar, written on or not: 0 if there is none."""
    lines = len(part)
    ground = np.median(part[0], axis=0)
    if lines < 4 * _LINES or not _is(part[0], ground).mean() >= ALONG_THE_EDGE:
        return 0
    kept = _is(part[: round(MOST * lines) + _LINES], ground).mean(axis=1)
    for line in range(max(1, round(LEAST * lines)), len(kept) - _LINES + 1):
        if (kept[line : line + _LINES] > LEFT_INSIDE).any():
            continue
        before = kept[max(0, line - _BLENDED) : line]
        step = np.abs(part[line + 1] - part[max(0, line - _BLENDED)]).max(axis=-1).mean()
        return line if before.max() >= STRAIGHT and step >= STEP else 0
    return 0


def _is(pixels: np.ndarray, ground: np.ndarray) -> np.ndarray:
    return (np.abs(pixels - ground) <= TOLERANCE).all(axis=-1)


def _moved(box: Box, inner: Box) -> Box:
    return Box(box.left + inner.left, box.top + inner.top, box.left + inner.right, box.top + inner.bottom)
