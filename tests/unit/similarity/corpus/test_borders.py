"""Frames, bars and captions are taken off; drawings on a sheet, skies and pages are left as they are."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.plain_pictures import KINDS
from twig_assets.similarity.corpus.borders import Box, inside_borders
from twig_assets.similarity.corpus.decode import decode_view, decode_views, frame_of

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def framed(picture: np.ndarray, above: int, below: int, beside: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(cv2.copyMakeBorder(picture, above, below, beside, beside, cv2.BORDER_CONSTANT, value=colour))


def captioned(picture: np.ndarray, height: int) -> np.ndarray:
    """A white strip below, with a line of text on it."""
    sheet = np.ascontiguousarray(framed(picture, 0, height, 0, WHITE))
    place = (6, picture.shape[0] + height // 2 + 4)
    cv2.putText(sheet, "seen on my way", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, BLACK, 1, cv2.LINE_AA)
    return sheet


def recompressed(picture: np.ndarray, quality: int = 50) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def assert_is_about(box: Box | None, place: Box, slack: int = 2) -> None:
    """The box found is the place, give or take a few lines on each side."""
    assert box is not None
    assert np.abs(np.subtract(box, place)).max() <= slack


@pytest.mark.parametrize(
    ("above", "below", "beside", "colour"),
    [(0, 0, 40, BLACK), (30, 30, 0, BLACK), (20, 60, 20, WHITE), (90, 90, 90, (200, 190, 170)), (0, 50, 0, WHITE)],
)
def test_a_frame_or_bars_are_taken_off(
    above: int, below: int, beside: int, colour: tuple[int, int, int], photographs: list[np.ndarray]
) -> None:
    photograph = photographs[0]
    height, width = photograph.shape[:2]
    place = Box(beside, above, beside + width, above + height)
    for picture in (
        framed(photograph, above, below, beside, colour),
        recompressed(framed(photograph, above, below, beside, colour)),
    ):
        assert_is_about(inside_borders(picture), place)


def test_a_caption_is_taken_off_also_inside_a_frame_and_at_any_size(photographs: list[np.ndarray]) -> None:
    height, width = photographs[0].shape[:2]
    picture = framed(captioned(photographs[0], 40), 10, 10, 10, BLACK)
    assert_is_about(inside_borders(recompressed(picture)), Box(10, 10, 10 + width, 10 + height))
    large = cv2.resize(picture, None, fx=7, fy=7, interpolation=cv2.INTER_LINEAR)
    assert_is_about(inside_borders(large), Box(70, 70, 70 + 7 * width, 70 + 7 * height), slack=21)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_on_a_sheet_has_no_border(kind: str) -> None:
    assert inside_borders(KINDS[kind](0)) is None


def test_photographs_and_drawings_have_no_border(photographs: list[np.ndarray], art: list[np.ndarray]) -> None:
    large = [cv2.resize(drawing, (320, 320), interpolation=cv2.INTER_CUBIC) for drawing in art]
    assert not any(inside_borders(picture) for picture in (*photographs, *art))
    # A drawing that ends in a long straight line may pass for a picture with a bar.
    assert sum(inside_borders(picture) is not None for picture in large) <= 0.25 * len(large)


@pytest.mark.parametrize("size", [(1, 1), (11, 500), (40, 40), (3, 3000)])
def test_a_picture_of_any_size_is_looked_at(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert inside_borders(noise) is None
    assert inside_borders(np.full((*size, 3), 255, np.uint8)) is None


def test_a_framed_file_is_looked_at_whole_and_without_its_border(photographs: list[np.ndarray]) -> None:
    file = io.BytesIO()
    Image.fromarray(framed(photographs[0], 30, 30, 30, BLACK)).save(file, "PNG")
    decoded = decode_views(file.getvalue())
    assert [view.label for view in decoded.views] == ["", "without its border"]
    assert "looked at without its border, too" in decoded.notes
    assert np.array_equal(decoded.views[1].pixels, photographs[0])
    again = decode_view(file.getvalue(), "without its border")
    assert np.array_equal(again.pixels, decoded.views[1].pixels)
    plain = io.BytesIO()
    Image.fromarray(photographs[0]).save(plain, "PNG")
    assert [view.label for view in decode_views(plain.getvalue()).views] == [""]


@pytest.mark.parametrize(
    ("label", "frame"),
    [
        ("without its border", ""),
        ("frame 3, without its border", "frame 3"),
        ("frame 3, on black, without its border", "frame 3"),
        ("on white, without its border", ""),
    ],
)
def test_a_label_names_its_frame(label: str, frame: str) -> None:
    assert frame_of(label) == frame
