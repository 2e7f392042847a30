"""Pixels of any depth and any colour space look like what they mean."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms

from tests.unit.similarity.corpus.picture_files import chunk, linear_profile, scene, tiff, with_chunk
from tests.unit.similarity.pictures import encoded, noise
from twig_assets.similarity.corpus.colour import scaled
from twig_assets.similarity.corpus.decode import decode

GREY = np.asarray(scene().convert("L"))
STRETCHED = (GREY.astype(float) - GREY.min()) / (GREY.max() - GREY.min()) * 255


def assert_shows(content: bytes, expected: np.ndarray, within: float = 1) -> None:
    assert np.abs(decode(content).pixels.mean(axis=-1) - expected).max() <= within


@pytest.mark.parametrize(
    "content",
    [
        tiff(GREY.astype(np.int32) * 8_000_000, 2),
        tiff(GREY.astype(np.uint32) * 16_000_000),
        tiff(GREY.astype(np.int32) * 8_000_000 - 2**30, 2),
        tiff(GREY.astype(np.int16) * 200 - 20_000, 2),
        tiff(GREY.astype(np.float32) * 1e6 - 1e8, 3),
        tiff(GREY.astype(np.float64) * 1e-9, 3),
        tiff(GREY.astype(np.uint64) << 48),
    ],
    ids=["int32", "uint32", "negative", "int16", "float", "double", "uint64"],
)
def test_values_without_a_known_white_are_stretched_over_their_range(content: bytes) -> None:
    assert_shows(content, STRETCHED)


def test_values_that_count_from_white_are_turned_round() -> None:
    assert_shows(tiff(GREY.astype(np.uint32) * 16_000_000, photometric=0), 255 - STRETCHED)
    assert_shows(tiff(GREY.astype(np.uint16) * 257, photometric=0), 255 - GREY.astype(float))


def test_floats_between_0_and_1_keep_their_brightness() -> None:
    assert_shows(tiff((GREY / 255 * 0.5).astype(np.float32), 3), GREY / 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32])
def test_colours_of_more_than_16_bits_are_read(dtype: type) -> None:
    pixels = np.asarray(scene())
    values = pixels.astype(dtype) / 255 if dtype != np.uint32 else pixels.astype(dtype) * 16_000_000
    content = tiff(np.ascontiguousarray(values.astype(dtype)), 1 if dtype == np.uint32 else 3, photometric=2)
    low, high = (0, 255) if dtype != np.uint32 else (pixels.min(), pixels.max())
    expected = (pixels.astype(float) - low) / (high - low) * 255
    assert np.abs(decode(content).pixels - expected).max() <= 1


def test_what_is_no_number_does_not_hide_the_others() -> None:
    values = (GREY / 255).astype(np.float32) * 40
    values[0, :3] = np.nan, np.inf, -np.inf
    shown = decode(tiff(values, 3)).pixels[..., 0]
    assert shown[0, :3].tolist() == [0, 255, 0]
    assert np.abs(shown[1:] - STRETCHED[1:]).max() <= 3


def test_a_hot_pixel_does_not_hide_the_others() -> None:
    large = np.asarray(scene(200, 200).convert("L")).astype(np.float32)
    large[7, 7] = 1e7
    assert decode(tiff(large, 3)).pixels.std() > 30


def test_ten_and_twelve_bits_are_not_night() -> None:
    for bits in (10, 12):
        values = (GREY.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
        values[0, 0] = 2**bits - 1
        shown = decode(tiff(values))
        assert np.abs(shown.pixels[1:, :, 0].astype(int) - GREY[1:]).max() <= 1
        assert shown.notes == (f"{bits} of 16 bits are used, and scaled to 8",)


def test_sixteen_bits_of_colour_are_said() -> None:
    pixels = noise(5, 7)
    wide = np.ascontiguousarray(pixels.astype(np.uint16) * 257)
    shown = decode(tiff(wide, photometric=2))
    assert np.array_equal(shown.pixels, pixels)
    assert shown.notes == ("16 bits are reduced to 8",)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.int32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-(2**24), 2**24)),
    st.integers(1, 60),
    st.integers(-(2**20), 2**20),
)
def test_order_is_kept_and_unit_and_offset_do_not_matter(values: np.ndarray, unit: int, offset: int) -> None:
    assume(values.max() > values.min())
    grey, _ = scaled(values)
    order = np.argsort(values, axis=None)
    assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
    again, _ = scaled(values.astype(np.float64) * unit + offset - 2**30)
    assert np.abs(again.astype(int) - grey).max() <= 1


# --- colour profiles -------------------------------------------------------------------------------------------------


def in_light(pixels: np.ndarray) -> np.ndarray:
    """What sRGB values are when they are proportional to light."""
    share = pixels / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return (light * 255).round().astype(np.uint8)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_colour_profile_is_converted_to_srgb_and_said(format: str) -> None:
    pixels = np.full((32, 32, 3), (200, 120, 160), np.uint8)
    options = {"lossless": True} if format == "WEBP" else {"quality": 95} if format != "PNG" else {}
    content = encoded(in_light(pixels), format, icc_profile=linear_profile(), **options)
    shown = decode(content)
    assert np.abs(shown.pixels.astype(int) - pixels).max() <= 6
    assert len(shown.notes) == 1
    assert shown.notes[0].startswith("colours are converted from its profile")


def test_srgb_itself_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise(9, 9)
    shown = decode(encoded(pixels, icc_profile=profile))
    assert np.array_equal(shown.pixels, pixels)
    assert shown.notes == ()
    assert decode(encoded(scene().convert("L"), icc_profile=profile)).notes == ()


@pytest.mark.parametrize("profile", [b"no profile", bytes(200), linear_profile()[:150], b""])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_broken_profile_is_passed_over(profile: bytes, format: str) -> None:
    pixels = np.full((16, 16, 3), 99, np.uint8)
    assert np.abs(decode(encoded(pixels, format, icc_profile=profile)).pixels.astype(int) - 99).max() <= 1


def test_a_broken_profile_is_said() -> None:
    said = decode(with_chunk(encoded(noise(9, 9)), chunk(b"iCCP", b"a\0\0" + b"not packed"))).notes
    assert said == ("its colour profile cannot be read and is passed over",)
    said = decode(encoded(noise(9, 9), "TIFF", icc_profile=bytes(200))).notes
    assert len(said) == 1
    assert said[0].startswith("its colour profile cannot be used")


def test_a_profile_for_another_kind_of_colours_is_passed_over_and_said() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    shown = decode(encoded(image, "JPEG", icc_profile=linear_profile()))
    assert shown.pixels[8, 8, 0] > 240
    assert "CMYK is converted without a colour profile; its colour profile cannot be used" in shown.notes[0]


def test_lab_is_converted() -> None:
    lab = Image.merge("LAB", [Image.new("L", (8, 8), level) for level in (128, 128, 128)])
    red, green, blue = decode(encoded(lab, "TIFF")).pixels[4, 4].astype(int)
    assert max(abs(red - green), abs(green - blue)) < 6
    assert 100 < green < 140
