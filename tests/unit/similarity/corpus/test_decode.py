"""Every kind of file that somebody may hand over as a picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.similarity.pictures import claims, encoded, noise, turned_by_exif
from twig_assets.similarity.corpus.decode import (
    FORMATS,
    MAX_PIXELS,
    Decoded,
    DecodeError,
    decode,
    read_file,
    suffix_note,
)


def refused(content: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(content)
    return caught.value


def test_transparency_is_laid_on_white_and_said() -> None:
    layer = np.zeros((12, 12, 4), np.uint8)
    layer[:6] = (200, 0, 0, 255)
    found = decode(encoded(layer))
    assert found.pixels[0, 0].tolist() == [200, 0, 0]
    assert found.pixels[-1, -1].tolist() == [255, 255, 255]
    assert found.notes == ("transparency is laid on white",)
    palette = Image.new("P", (12, 12), 0)
    palette.putpalette([10, 20, 30])
    assert decode(encoded(palette, transparency=0)).pixels[0, 0].tolist() == [255, 255, 255]


def test_half_transparency_mixes_with_white() -> None:
    layer = np.full((4, 4, 4), (0, 0, 0, 128), np.uint8)
    assert np.abs(decode(encoded(layer)).pixels.astype(int) - 127).max() <= 1


def test_the_camera_orientation_is_applied_and_said() -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:, :8] = 255
    found = decode(turned_by_exif(pixels, 6))
    assert found.pixels.shape == (24, 16, 3)
    assert found.pixels[0, 0, 0] > 250
    assert found.pixels[-1, 0, 0] < 5
    assert found.notes == ("turned as its EXIF orientation says",)
    assert decode(turned_by_exif(pixels, 1)).notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "RGB"])
def test_every_usual_kind_of_pixel_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (12, 12), (255, 255, 255)).convert(mode)
    found = decode(encoded(image, "TIFF"))
    assert (found.pixels == 255).all()
    assert found.pixels.shape == (12, 12, 3)


def test_a_palette_gives_its_colours() -> None:
    palette = Image.new("P", (12, 12), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert decode(encoded(palette)).pixels[3, 3].tolist() == [10, 200, 30]


def test_a_cmyk_jpeg_keeps_its_colour_roughly_and_says_how_it_was_converted() -> None:
    found = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = found.pixels[8, 8].astype(int)
    assert red > 240
    assert max(green, blue) < 15
    assert found.notes == ("CMYK is converted without a colour profile",)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_brightness(format: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    found = decode(encoded(ramp, format))
    assert np.abs(found.pixels[..., 0].astype(int) - np.arange(256).reshape(16, 16)).max() <= 1
    assert found.notes == ("16 bits are reduced to 8",)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    options = {"lossless": True} if format == "WEBP" else {}
    found = decode(encoded(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert found.pixels[8, 8].tolist() == [200, 0, 0]
    assert "the first of 3 frames is taken" in found.notes


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (2, 20_000)])
def test_extreme_shapes_are_decoded_as_they_are(height: int, width: int) -> None:
    assert decode(encoded(noise(height, width))).pixels.shape == (height, width, 3)


def test_one_colour_is_a_picture_too() -> None:
    assert (decode(encoded(np.full((20, 20, 3), 7, np.uint8))).pixels == 7).all()


@pytest.mark.parametrize("size", [(20_000, 20_000), (60_000, 60_000), (11_000, 11_000), (MAX_PIXELS + 1, 1)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    error = refused(claims(*size))
    assert error.kind == "too large"
    assert "too many pixels" in str(error)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"\0", "not an image"),
        (b"just text", "not an image"),
        (b"8BPS" + bytes(40), "unsupported"),
        (b"%PDF-1.7\n", "unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
        (encoded(noise(20, 20))[:200], "damaged"),
        (encoded(noise(20, 20), "JPEG")[:300], "damaged"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_kind(content: bytes, kind: str) -> None:
    assert refused(content).kind == kind


def test_a_wrong_suffix_does_not_matter_and_is_said() -> None:
    found = decode(encoded(noise(9, 9), "JPEG"))
    assert found.pixels.shape == (9, 9, 3)
    assert suffix_note(".png", found.format) == ("is a JPEG file, though its name ends with .png",)
    assert suffix_note("", found.format) == ("is a JPEG file, though its name ends with no suffix",)
    assert suffix_note(".JPG", found.format) == ()


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="No such file") as caught:
        read_file(tmp_path / "gone.png")
    assert caught.value.kind == "unreadable"
    with pytest.raises(DecodeError, match="Is a directory"):
        read_file(tmp_path)


def _sound(format: str) -> bytes:
    return encoded(Image.fromarray(noise(24, 17)), format)


SOUND = [_sound(format) for format in FORMATS if format in Image.SAVE]
SOUND.append(encoded(Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))))
SOUND.append(encoded(Image.new("CMYK", (16, 16), (9, 99, 0, 0)), "JPEG"))
SOUND.append(turned_by_exif(noise(8, 9), 5))
SOUND.append(
    encoded(Image.fromarray(noise(8, 9)).convert("P"), "GIF", save_all=True, append_images=[Image.new("P", (9, 8))])
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A sound file, cut short, with bytes changed, put in or left out, anywhere."""
    content = bytearray(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 8))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(("change", "insert", "delete", "cut"))):
            case "change":
                content[at] = draw(st.integers(0, 255))
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=12))
            case "delete":
                del content[at : at + draw(st.integers(1, 12))]
            case "cut":
                del content[at:]
    return bytes(content)


def outcome(content: bytes) -> Decoded | DecodeError:
    try:
        return decode(content)
    except DecodeError as error:
        return error


@settings(max_examples=400, deadline=None)
@given(st.one_of(spoilt(), st.binary(max_size=200)))
def test_whatever_the_bytes_are_they_give_a_picture_or_a_reason(content: bytes) -> None:
    found = outcome(content)
    if isinstance(found, DecodeError):
        assert found.kind in ("empty", "not an image", "damaged", "too large", "unsupported")
        assert str(found)
        assert "\n" not in str(found)
        return
    assert found.pixels.dtype == np.uint8
    assert found.pixels.ndim == 3
    assert found.pixels.shape[2] == 3
    assert min(found.pixels.shape) > 0
    assert found.format in FORMATS
    Image.open(io.BytesIO(encoded(found.pixels))).load()
