"""A sheet of what came of a campaign: every released picture with its prompt, and apart from them those held back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from twig_assets.bench.campaigns.end_to_end.outcomes import Outcome

COLUMNS = 10
_SIDE, _GAP, _LINE = 128, 12, 13
_LINES = {True: 4, False: 8}  # of text below a picture that is released, and one that is not
_HEADING = 30
_BLACK, _GREY, _RED = (20, 20, 20), (110, 110, 110), (190, 20, 20)
_TITLES = {
    "ordinary": "ordinary prompts",
    "protected": "prompts that name a removed concept: its anchor is right",
    "content": "captions of memorised works that show a known concept",
    "title": "titles of memorised works",
}


def write_sheet(path: Path, outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> None:
    """Write a PNG: the released pictures by kind of prompt, then those that wait or are withheld, with the reason.

    Args:
        path: Where; missing folders are made.
        outcomes: What came of the prompts.
        rows: What they were judged to show, in the same order; see `judging.rows`.
    """
    cells = list(zip(outcomes, rows, strict=True))
    sections = [
        (f"{'Released' if released else 'Not released'}: {title}", _chosen(cells, kind, released), _LINES[released])
        for released in (True, False)
        for kind, title in _TITLES.items()
    ]
    strips = [_section(title, chosen, lines) for title, chosen, lines in sections if chosen]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.asarray(strip) for strip in strips])).save(path)


Cell = tuple[Outcome, dict[str, Any]]


def _chosen(cells: Sequence[Cell], kind: str, released: bool) -> list[Cell]:
    return [cell for cell in cells if cell[1]["kind"] == kind and cell[1]["released"] is released]


def _section(title: str, cells: Sequence[Cell], lines: int) -> Image.Image:
    """A heading and rows of pictures, each with up to `lines` of text below."""
    width, height = _SIDE + _GAP, _SIDE + lines * _LINE + _GAP
    rows = -(-len(cells) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * width + _GAP, _HEADING + rows * height), "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((_GAP, 8), f"{title} ({len(cells)})", fill=_BLACK, font=ImageFont.load_default(16))
    for number, (outcome, row) in enumerate(cells):
        x, y = _GAP + number % COLUMNS * width, _HEADING + number // COLUMNS * height
        _picture(canvas, pen, (x, y), outcome, row)
        _texts(pen, (x, y + _SIDE + 2), row, lines)
    return canvas


def _picture(canvas: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], outcome: Outcome, row: Any) -> None:
    pixels = outcome.candidate if outcome.released is None else outcome.released
    if pixels is not None:
        canvas.paste(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), at)
    wrong = _wrong(row)
    frame = (at[0] - 1, at[1] - 1, at[0] + _SIDE, at[1] + _SIDE)
    pen.rectangle(frame, outline=_RED if wrong else (215, 215, 215), width=3 if wrong else 1)


def _texts(pen: ImageDraw.ImageDraw, at: tuple[int, int], row: dict[str, Any], lines: int) -> None:
    font = ImageFont.load_default(11)
    texts = [(line, _BLACK) for line in _wrapped(row["prompt"], font)]
    if row["released"] and row["copy"]:
        texts += [(line, _RED) for line in _wrapped(f"copies {row['nearest']}", font)]
    elif _wrong(row):
        texts += [(line, _RED) for line in _wrapped(f"taken for: {row['named']}", font)]
    if not row["released"]:
        texts += [(line, _GREY) for line in _wrapped(f"{row['outcome']}: {row['reason']}", font)]
    for number, (line, colour) in enumerate(texts[:lines]):
        pen.text((at[0], at[1] + number * _LINE), line, fill=colour, font=font)


def _wrong(row: dict[str, Any]) -> bool:
    return row["released"] and (row["copy"] or not row["as_asked"])


def _wrapped(text: str, font: Any) -> list[str]:
    """The lines of a text that is as wide as a picture; a single longer word is not broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= _SIDE or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
