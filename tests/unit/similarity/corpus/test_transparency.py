"""What is transparent is looked at on white, on black and as its own shape, and what is blank on all is said to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from tests.unit.similarity.corpus.picture_files import animation, logo, scene
from tests.unit.similarity.pictures import encoded
from twig_assets.similarity.corpus.decode import decode, decode_views
from twig_assets.similarity.corpus.transparency import grounds, is_blank, is_drawing


def grounds_of(content: bytes) -> list[str]:
    return [view.ground for view in decode_views(content).views]


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((255, 255, 255), ["on black", "its own shape in black"]),
        ((0, 0, 0), ["on white", "its own shape in white"]),
        ((200, 30, 30), ["on white", "on black", "its own shape in white", "its own shape in black"]),
    ],
)
def test_a_logo_is_looked_at_on_every_ground_where_it_looks_different(
    ink: tuple[int, int, int], expected: list[str]
) -> None:
    content = encoded(logo(ink))
    assert grounds_of(content) == expected
    assert decode_views(content).notes == (f"transparent: looked at {', '.join(expected)}",)


def test_a_white_logo_is_white_on_black() -> None:
    views = decode_views(encoded(logo((255, 255, 255)))).views
    drawn = np.asarray(logo((255, 255, 255)))[..., 3:]
    assert np.array_equal(views[0].pixels, np.repeat(drawn, 3, -1))
    assert is_blank(decode(encoded(logo((255, 255, 255)))).pixels)


def test_a_palette_and_a_grey_picture_may_be_transparent_too() -> None:
    palette = Image.new("P", (24, 24), 1)
    palette.putpalette([255, 255, 255, 200, 30, 30])
    palette.paste(0, (6, 6, 18, 18))
    assert grounds_of(encoded(palette, transparency=0)) == ["on white", "on black", *grounds_of_shape(palette)]
    assert grounds_of(encoded(palette, "GIF", transparency=0)) == grounds_of(encoded(palette, transparency=0))
    assert "on black" in grounds_of(encoded(logo((255, 255, 255)).convert("LA")))
    sixteen = np.where(np.asarray(palette) == 0, 65535, np.arange(24) * 1000).astype(np.uint16)
    assert "on black" in grounds_of(encoded(sixteen, transparency=65535))


def grounds_of_shape(palette: Image.Image) -> list[str]:
    opaque = np.where(np.asarray(palette) == 0, 0, 255).astype(np.uint8)
    return ["its own shape in white", "its own shape in black"] if is_drawing(opaque) else []


def test_an_opaque_alpha_channel_is_no_transparency() -> None:
    image = scene()
    image.putalpha(255)
    assert grounds_of(encoded(image)) == [""]


def test_a_cut_out_has_no_shape_of_its_own() -> None:
    for kind in ("ellipse", "rounded_rectangle", "polygon"):
        alpha = Image.new("L", (200, 150), 0)
        pen = ImageDraw.Draw(alpha)
        box = (20, 15, 180, 135)
        if kind == "ellipse":
            pen.ellipse(box, fill=255)
        elif kind == "rounded_rectangle":
            pen.rounded_rectangle(box, 20, fill=255)
        else:
            pen.polygon([(100, 15), (180, 135), (20, 135)], fill=255)
        assert not is_drawing(np.asarray(alpha)), kind
    assert is_drawing(np.asarray(logo((0, 0, 0)))[..., 3])
    assert not is_drawing(np.zeros((9, 9), np.uint8))
    assert not is_drawing(np.full((9, 9), 255, np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        encoded(Image.new("RGB", (20, 20), (255, 255, 255))),
        encoded(Image.new("RGBA", (20, 20), (255, 255, 255, 0))),
        encoded(Image.fromarray(np.dstack((np.asarray(scene()), np.zeros((48, 64), np.uint8))))),
        animation([Image.new("RGB", (20, 20), colour) for colour in ("white", "black")], "GIF"),
        encoded(Image.new("F", (8, 8), float("nan")), "TIFF"),
    ],
    ids=["white", "nothing", "hidden", "blank frames", "NaN"],
)
def test_what_shows_one_colour_everywhere_is_blank(content: bytes) -> None:
    decoded = decode_views(content)
    assert decoded.blank
    assert len(decoded.views) == 1
    assert "shows one colour only" in decoded.notes


def test_what_shows_something_somewhere_is_not_blank() -> None:
    assert not decode_views(encoded(logo((255, 255, 255)))).blank
    assert not decode_views(encoded(scene())).blank


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda s: arrays.arrays(np.uint8, (*s, 4))))
def test_white_and_black_differ_by_what_shines_through(layers: np.ndarray) -> None:
    image = Image.fromarray(layers)
    seen = dict(grounds(image.convert("RGB"), image.getchannel("A")))
    shining = seen["on white"].astype(int) - seen["on black"]
    assert np.abs(shining - (255 - layers[..., 3:].astype(int))).max() <= 1
