"""The built-in watermark: unseen, read again after what happens to pictures, and by nobody without the key."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps
from pydantic import SecretBytes

from twig_assets.model_zoo.art import sprites
from twig_assets.provenance.watermark import LatticeWatermark, WatermarkError, WatermarkKey
from twig_assets.provenance.watermark.protocol import psnr

KEY = WatermarkKey(SecretBytes(b"k" * 32))
MARK = LatticeWatermark(KEY)
PAYLOAD = bytes.fromhex("0123456789ab")
OTHERS = [KEY.payload(bytes([number])) for number in range(40)]


def drawing(side: int = 64) -> np.ndarray:
    """A drawing on white, where nothing can become lighter."""
    drawn = sprites()["owl", "noto"].convert("RGBA")
    paper = Image.new("RGBA", drawn.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, drawn).convert("RGB").resize((side, side), Image.Resampling.LANCZOS))


def scene(height: int = 200, width: int = 300) -> np.ndarray:
    """A soft picture with detail everywhere."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize(
    "pixels", [drawing(), scene(), np.full((64, 64, 3), 255, np.uint8)], ids=["art", "scene", "white"]
)
def test_what_is_written_is_read_and_hardly_changes_a_picture(pixels: np.ndarray) -> None:
    marked = MARK.embed(pixels, PAYLOAD)
    assert psnr(pixels, marked) >= 38
    reading = MARK.read(marked)
    assert reading is not None
    assert reading.payload == PAYLOAD
    assert reading.chance <= 1e-6
    assert (MARK.embed(pixels, PAYLOAD) == marked).all()


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.mirror,
        ImageOps.invert,
        lambda image: image.rotate(90, expand=True),
        lambda image: image.resize((image.width * 2, image.height)),
        lambda image: image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS),
        lambda image: Image.fromarray((np.asarray(image) * 0.7 + 30).astype(np.uint8)),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: jpeg(image, 60),
    ],
    ids=["mirrored", "inverted", "turned", "stretched", "scaled", "paler", "grey", "jpeg"],
)
@pytest.mark.parametrize("pixels", [drawing(), scene()], ids=["art", "scene"])
def test_one_of_the_known_payloads_is_recognised_after(
    pixels: np.ndarray, change: Callable[[Image.Image], Image.Image]
) -> None:
    copy = np.asarray(change(Image.fromarray(MARK.embed(pixels, PAYLOAD))))
    reading = MARK.read(copy, [*OTHERS, PAYLOAD])
    assert reading is not None
    assert reading.payload == PAYLOAD


def test_a_quarter_that_was_painted_over_does_not_disturb_the_rest() -> None:
    marked = MARK.embed(scene(), PAYLOAD).copy()
    marked[60:160, 90:240] = (200, 40, 90)
    reading = MARK.read(marked, [*OTHERS, PAYLOAD])
    assert reading is not None
    assert reading.payload == PAYLOAD


def test_nothing_is_read_without_the_mark_or_without_the_key() -> None:
    stranger = LatticeWatermark(WatermarkKey(SecretBytes(b"s" * 32)))
    assert MARK.read(scene(), OTHERS) is None
    assert MARK.read(drawing()) is None
    assert stranger.read(MARK.embed(scene(), PAYLOAD), [*OTHERS, PAYLOAD]) is None


def test_a_payload_that_is_not_among_the_known_ones_is_still_read() -> None:
    reading = MARK.read(MARK.embed(scene(), PAYLOAD), OTHERS)
    assert reading is not None
    assert reading.payload == PAYLOAD


def test_a_picture_without_room_is_refused() -> None:
    with pytest.raises(WatermarkError, match="60 x 40 px is too small"):
        MARK.embed(np.zeros((40, 60, 3), np.uint8), PAYLOAD)
