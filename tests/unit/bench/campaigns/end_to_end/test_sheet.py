"""The sheet of released pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.bench.campaigns.end_to_end.asked import Asked
from twig_assets.bench.campaigns.end_to_end.outcomes import Outcome
from twig_assets.bench.campaigns.end_to_end.sheet import COLUMNS, write_sheet

RED = (190, 20, 20)


def picture(colour: int) -> np.ndarray:
    return np.full((64, 64, 3), (colour, 0, 200), np.uint8)  # no grey, as texts are


def outcome(kind: str, released: bool, colour: int, as_asked: bool = True) -> tuple[Outcome, dict[str, Any]]:
    asked = Asked(kind, f"prompt {colour}", colour, ("owl",), "plain")  # type: ignore[arg-type]
    pixels = picture(colour)
    state = "released" if released else "quarantined"
    made = Outcome(asked, state, 1, pixels, pixels, pixels if released else None, None, "" if released else "copies")
    row = {
        "kind": kind,
        "prompt": asked.text,
        "released": released,
        "as_asked": as_asked,
        "named": "red apple",
        "copy": False,
    }
    return made, {**row, "outcome": state, "reason": made.reason}


def sheet(path: Path, *cells: tuple[Outcome, dict[str, Any]]) -> np.ndarray:
    write_sheet(path, [cell[0] for cell in cells], [cell[1] for cell in cells])
    return np.asarray(Image.open(path).convert("RGB"))


def test_every_picture_is_shown_released_ones_first(tmp_path: Path) -> None:
    held, released = outcome("ordinary", False, 40), outcome("title", True, 80)
    shown = sheet(tmp_path / "new" / "sheet.png", held, released)
    rows = {colour: np.flatnonzero((shown == (colour, 0, 200)).all(-1).sum(1) >= 128) for colour in (40, 80)}
    assert [len(at) for at in rows.values()] == [128, 128], "each twice as large as it was drawn"
    assert rows[80].max() < rows[40].min()


def test_a_picture_that_shows_something_else_has_a_red_frame_and_no_other_has(tmp_path: Path) -> None:
    def red(*cells: tuple[Outcome, dict[str, Any]]) -> int:
        return int((sheet(tmp_path / "sheet.png", *cells) == RED).all(-1).sum())

    assert red(outcome("ordinary", True, 40, as_asked=False)) > 4 * 128
    assert red(outcome("ordinary", True, 40), outcome("ordinary", False, 80, as_asked=False)) == 0


def test_a_prompt_without_a_picture_keeps_its_place(tmp_path: Path) -> None:
    made, row = outcome("ordinary", False, 40)
    empty = Outcome(made.asked, "missing", 0, None, None, None, None, "no verdict")
    cells = [(empty, row), *[outcome("ordinary", False, 80)] * COLUMNS]
    shown = sheet(tmp_path / "sheet.png", *cells)
    assert (shown == (80, 0, 200)).all(-1).sum() == COLUMNS * 128 * 128


def test_a_released_copy_has_a_red_frame_although_it_shows_what_was_asked(tmp_path: Path) -> None:
    made, row = outcome("content", True, 40)
    shown = sheet(tmp_path / "sheet.png", (made, {**row, "copy": True, "nearest": "planted-owl"}))
    assert (shown == RED).all(-1).sum() > 4 * 128
