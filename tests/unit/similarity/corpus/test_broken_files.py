"""Damage that pixels do not depend on stops nothing, and where pixels are missing it is said."""

import io
import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tests.unit.similarity.corpus.picture_files import (
    SIGNATURE,
    animation,
    chunk,
    image_of,
    linear_profile,
    mpo,
    scan_starts,
    scene,
    tiff,
    with_chunk,
    with_xmp,
)
from tests.unit.similarity.pictures import encoded, noise
from twig_assets.similarity.corpus.decode import DecodedViews, DecodeError, decode, decode_views

PIXELS = noise(40, 30)
PNG = encoded(PIXELS)
JPEG = encoded(scene(96, 128), "JPEG", quality=90)
PROGRESSIVE = encoded(scene(96, 128), "JPEG", quality=90, progressive=True)


def refused(content: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode_views(content)
    return caught.value


def outcome(content: bytes) -> DecodedViews | DecodeError:
    try:
        return decode_views(content)
    except DecodeError as error:
        return error


# --- PNG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "added",
    [
        chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"tEXt", b"prompt\0" + b"a" * 2_000_000),
        chunk(b"tEXt", b"Comment\0hello", checksum=1),
        chunk(b"iTXt", b"no end"),
        chunk(b"eXIf", b"\x00\x08\x00\x02\x01\x12\x00\x03"),
        chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 40_000_000)),
        chunk(b"iCCP", b"a\0\7nothing"),
        chunk(b"pHYs", b"1"),
        chunk(b"cHRM", b""),
        chunk(b"gAMA", b"\0"),
        chunk(b"tRNS", b"\0"),
        chunk(b"tIME", b"soon"),
        chunk(b"vpAg", bytes(9)),
    ],
)
def test_what_goes_with_a_png_does_not_stand_in_the_way_of_its_pixels(added: bytes) -> None:
    decoded = decode_views(with_chunk(PNG, added))
    assert np.array_equal(decoded.views[0].pixels, PIXELS)
    assert not any("damaged" in note or "get the file again" in note for note in decoded.notes)


def test_a_wrong_checksum_of_a_text_is_said() -> None:
    notes = decode(with_chunk(PNG, chunk(b"tEXt", b"Comment\0hello", checksum=1))).notes
    assert notes == ("the checksum of its tEXt chunk is wrong; the chunk is passed over",)


GARBAGE = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"bKGD", b"sBIT", b"abCd")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GARBAGE), st.binary(max_size=60), st.one_of(st.none(), st.just(7)), st.integers(1, 9))
def test_a_broken_chunk_that_holds_no_pixels_never_changes_pixels(
    kind: bytes, data: bytes, checksum: int | None, place: int
) -> None:
    assert np.array_equal(decode(with_chunk(PNG, chunk(kind, data, checksum), place)).pixels, PIXELS)


def test_a_wrong_checksum_of_pixels_that_can_all_be_unpacked_is_said() -> None:
    spoilt = bytearray(PNG)
    end = len(PNG) - 12
    spoilt[end - 1] ^= 0xFF
    decoded = decode(bytes(spoilt))
    assert np.array_equal(decoded.pixels, PIXELS)
    assert decoded.notes == ("a checksum of its pixels is wrong, though all of them can be unpacked",)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, len(PNG) - 1))
def test_a_png_that_is_cut_off_is_whole_or_refused(length: int) -> None:
    result = outcome(PNG[:length])
    if isinstance(result, DecodeError):
        assert result.kind in ("empty", "not an image", "damaged")
    else:
        assert np.array_equal(result.views[0].pixels, PIXELS)


def test_missing_rows_of_a_png_are_counted() -> None:
    assert "of its 40 rows of pixels are missing" in str(refused(PNG[: len(PNG) // 2]))
    interlaced = bytearray(chunk(b"IHDR", bytes([0, 0, 0, 30, 0, 0, 0, 40, 8, 2, 0, 0, 1])))
    halved = SIGNATURE + bytes(interlaced) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    assert "% of its pixels are missing" in str(refused(halved))


def test_a_png_with_its_end_cut_off_is_whole() -> None:
    assert decode(PNG[:-12]).notes == ("the end of the file is missing, though all pixels are there",)


def test_a_broken_header_and_a_broken_palette_are_refused() -> None:
    assert "header" in str(refused(PNG.replace(b"IHDR", b"IHDX", 1)))
    palette = encoded(Image.new("P", (9, 9)))
    at = palette.index(b"PLTE")
    assert "palette" in str(refused(palette[: at + 4] + b"\x55" + palette[at + 5 :]))


def test_the_still_of_a_broken_animation_is_looked_at_and_the_rest_is_missing() -> None:
    content = animation([Image.fromarray(noise(20, 20, seed)) for seed in range(3)], "PNG")
    at = content.index(b"fcTL")
    decoded = decode_views(content[: at + 4] + b"\xff\xff\xff" + content[at + 7 :])
    assert np.array_equal(decoded.views[0].pixels, noise(20, 20, 0))
    assert decoded.missing


def test_a_png_for_apples_devices_only_is_refused_with_the_reason() -> None:
    assert "CgBI" in str(refused(with_chunk(PNG, chunk(b"CgBI", b"P\0 \6"), 0)))


# --- JPEG ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("content", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
def test_a_jpeg_without_its_end_marker_is_whole(content: bytes, cut: int) -> None:
    decoded = decode(content[:-cut])
    assert np.array_equal(decoded.pixels, image_of(content))
    assert len(decoded.notes) == 1
    assert decoded.notes[0].startswith("the end of the file is missing")


def test_a_jpeg_of_which_half_is_missing_is_refused_with_the_rows() -> None:
    error = refused(JPEG[: len(JPEG) * 2 // 3])
    assert error.kind == "damaged"
    assert "of its 96 rows of pixels are missing" in str(error)


def test_zeros_or_an_end_marker_in_place_of_the_rest_do_not_make_it_whole() -> None:
    start = JPEG[: len(JPEG) * 2 // 3]
    assert "rows of pixels are missing" in str(refused(start + bytes(len(JPEG) - len(start))))
    assert "rows of pixels are missing" in str(refused(start + b"\xff\xd9"))


def test_a_blurred_preview_is_not_taken_for_the_picture() -> None:
    second = scan_starts(PROGRESSIVE)[1]
    assert "blurred preview" in str(refused(PROGRESSIVE[:second]))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([JPEG, PROGRESSIVE]), st.integers(3, len(JPEG)))
def test_a_jpeg_that_is_cut_off_looks_as_before_or_is_refused(content: bytes, cut: int) -> None:
    result = outcome(content[:-cut])
    if isinstance(result, DecodeError):
        assert result.kind in ("empty", "not an image", "damaged")
    else:
        assert np.abs(result.views[0].pixels.astype(int) - image_of(content)).mean() < 4


@pytest.mark.parametrize(
    "added",
    [
        b"\xff\xe1\x00\x0aExif\0\0II",
        b"\xff\xe2\x00\x09MPF\0xxx",
        b"\xff\xe0\x00\x07JFIF\0",
        b"\xff\xed\x00\x10Photoshop 3.0\0",
        b"\xff\xfe\x00\x04hi",
        b"\xff\xe2\x00\x11ICC_PROFILE\0\x02\x03x",
    ],
)
def test_what_goes_with_a_jpeg_does_not_stand_in_the_way_of_its_pixels(added: bytes) -> None:
    assert np.array_equal(decode(JPEG[:2] + added + JPEG[2:]).pixels, image_of(JPEG))


def test_what_follows_a_jpeg_is_passed_over() -> None:
    assert np.array_equal(decode(JPEG + b"\0\0\0\x18ftypmp42" + bytes(999)).pixels, image_of(JPEG))


def test_a_grey_jpeg_picture_is_no_missing_one() -> None:
    assert decode(encoded(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG")).notes == ()


# --- others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "TIFF", "JPEG"])
def test_broken_exif_data_is_passed_over(format: str) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"comment"}
    content = encoded(scene(), format, exif=exif.tobytes())
    broken = content.replace(exif.tobytes()[-20:], bytes(20)).replace(b"II*\0\x08", b"XX\xff\0\x08", format != "TIFF")
    assert np.abs(decode(broken).pixels.astype(int) - np.asarray(scene())).mean() < 12


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000"])
def test_other_files_that_are_cut_off_are_refused_with_that_reason(format: str) -> None:
    content = encoded(scene(), format)
    error = refused(content[: len(content) * 2 // 3])
    assert error.kind == "damaged"
    if format in ("WEBP", "AVIF", "GIF", "BMP"):
        assert "the file is cut short" in str(error)


def test_memory_that_does_not_suffice_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", exhausted)
    error = refused(encoded(Image.new("P", (9, 9))))
    assert error.kind == "too large"
    assert "more memory" in str(error)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(lambda s: arrays.arrays(np.uint8, (*s, 3))),
    st.sampled_from(["PNG", "TIFF", "BMP", "WEBP"]),
)
def test_formats_without_loss_give_back_their_pixels(pixels: np.ndarray, format: str) -> None:
    content = encoded(pixels, format, **({"lossless": True} if format == "WEBP" else {}))
    assert np.array_equal(decode_views(content).views[0].pixels, pixels)


def _sound() -> list[bytes]:
    frames = [scene(16, 24, seed) for seed in range(3)]
    small = encoded(frames[0], "JPEG")
    return [
        *(animation(frames, format) for format in ("GIF", "PNG", "WEBP", "TIFF", "AVIF")),
        mpo([(with_xmp(small, b"hdrgm:Version"), 0x030000), (encoded(frames[1], "JPEG"), 0x020002)]),
        encoded(frames[0], "JPEG", progressive=True, icc_profile=linear_profile()),
        encoded(frames[0], "JPEG2000"),
        encoded(Image.fromarray(np.dstack((noise(9, 9), noise(9, 9)[..., 0])))),
        tiff(np.asarray(frames[0]).astype(np.float32), 3, photometric=2),
        tiff(np.asarray(frames[0].convert("L")).astype(np.uint32)),
        with_chunk(encoded(frames[0], icc_profile=linear_profile()), chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0")),
    ]


SOUND = _sound()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SOUND), st.integers(1, 12), st.randoms(use_true_random=False))
def test_whatever_happens_to_a_file_it_gives_views_or_a_reason(
    content: bytes, changes: int, chance: random.Random
) -> None:
    spoilt = bytearray(content)
    for _ in range(changes):
        if not spoilt:
            break
        at = chance.randrange(min(len(spoilt), chance.choice((64, 400, len(content)))))
        if chance.random() < 0.8:
            spoilt[at] = chance.randrange(256)
        elif chance.random() < 0.5:
            del spoilt[at : at + chance.randrange(1, 40)]
        else:
            del spoilt[at:]
    result = outcome(bytes(spoilt))
    if isinstance(result, DecodeError):
        assert str(result).strip()
        assert "\n" not in str(result)
        return
    assert result.views
    for view in result.views:
        assert view.pixels.dtype == np.uint8
        assert view.pixels.ndim == 3
        assert view.pixels.shape[2] == 3
        Image.open(io.BytesIO(encoded(view.pixels))).load()
