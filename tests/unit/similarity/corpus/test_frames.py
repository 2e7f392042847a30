"""Every frame, page and picture of a file is looked at, and previews and maps are not."""

import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.corpus.picture_files import animation, mpo, scene, tiff, with_xmp
from tests.unit.similarity.pictures import encoded, noise, turned_by_exif
from twig_assets.similarity.corpus import decode as decoding
from twig_assets.similarity.corpus.decode import DecodeError, decode, decode_views, suffix_note

PRIMARY, THUMBNAIL, STEREO, GAIN_MAP, UNDEFINED = 0x030000, 0x010001, 0x020002, 0x050000, 0


def labels(content: bytes) -> list[str]:
    return [view.label for view in decode_views(content).views]


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "JPEG", quality=95, **options)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_every_frame_is_a_view_under_its_name(format: str) -> None:
    frames = [scene(seed=seed) for seed in range(3)]
    views = decode_views(animation(frames, format)).views
    noun = "page" if format == "TIFF" else "frame"
    assert [view.label for view in views] == [f"{noun} 1", f"{noun} 2", f"{noun} 3"]
    for view, frame in zip(views, frames, strict=True):
        assert np.abs(view.pixels.astype(int) - np.asarray(frame)).mean() < 12


def test_frames_that_are_the_same_are_looked_at_once() -> None:
    frames = [scene(seed=seed) for seed in (0, 1, 0, 1)]
    assert labels(animation(frames, "PNG")) == ["frame 1", "frame 2"]


def test_a_blank_frame_is_passed_over_and_said() -> None:
    decoded = decode_views(animation([Image.new("RGB", (64, 48), "white"), scene()], "GIF"))
    assert [view.label for view in decoded.views] == ["frame 2"]
    assert decoded.blank is False
    assert decoded.notes == ("shows one colour only in frame 1, which is passed over",)


def test_of_many_frames_a_sample_from_the_first_to_the_last_is_looked_at_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "MAX_FRAMES", 4)
    decoded = decode_views(animation([scene(8, 8, seed) for seed in range(10)], "TIFF"))
    assert [view.label for view in decoded.views] == ["page 1", "page 4", "page 7", "page 10"]
    assert decoded.notes == ("of its 10 pages 4 are looked at, evenly spaced from the first to the last",)


def test_an_animation_of_too_many_pixels_is_looked_at_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_UNPACKED", 3 * 64 * 48)
    decoded = decode_views(animation([scene(seed=seed) for seed in range(6)], "GIF"))
    assert [view.label for view in decoded.views] == ["frame 1", "frame 2", "frame 3"]
    assert "frames after frame 3 are too many to unpack" in decoded.notes[0]


def test_a_frame_that_is_cut_off_is_missing_and_the_others_are_looked_at() -> None:
    content = animation([Image.fromarray(noise(48, 64, seed)) for seed in range(3)], "PNG")
    decoded = decode_views(content[: len(content) * 4 // 5])
    assert [view.label for view in decoded.views][0] == "frame 1"
    assert any(reason.startswith("frame 3 of 3 is damaged") for reason in decoded.missing)


def test_pages_of_different_sizes_keep_theirs() -> None:
    views = decode_views(animation([scene(20, 30), scene(40, 10, 1)], "TIFF")).views
    assert [view.size for view in views] == [(30, 20), (10, 40)]


def test_views_are_shrunk_as_they_come() -> None:
    decoded = decode_views(animation([scene(), scene(seed=1)], "GIF"), shrink=lambda pixels: pixels[::2, ::2])
    assert {view.pixels.shape for view in decoded.views} == {(24, 32, 3)}
    assert {view.size for view in decoded.views} == {(64, 48)}


def test_a_smaller_preview_page_of_a_tiff_is_no_page() -> None:
    pixels = np.asarray(scene().convert("L"))
    with_preview = tiff(pixels, subtype=1)
    with pytest.raises(DecodeError, match="only a small preview .* raw file .* export it") as caught:
        decode_views(with_preview)
    assert caught.value.kind == "unsupported"
    assert labels(tiff(pixels)) == [""]


# --- several JPEGs in one file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "second"),
    [
        (THUMBNAIL, jpeg(scene(24, 32))),
        (GAIN_MAP, jpeg(scene(24, 32, 5))),
        (UNDEFINED, jpeg(scene(24, 32))),
        (UNDEFINED, jpeg(scene(24, 32, 5).convert("L"))),
        (UNDEFINED, with_xmp(jpeg(scene(24, 32, 5)), b'<rdf hdrgm:Version="1.0" hdrgm:GainMapMax="2"/>')),
        (UNDEFINED, with_xmp(jpeg(scene(seed=5)), b"urn:com:apple:photo:2020:aux:hdrgainmap")),
    ],
    ids=["thumbnail", "gain map", "preview", "grey map", "Ultra HDR", "gain map of full size"],
)
def test_previews_and_maps_behind_a_jpeg_are_no_pictures(kind: int, second: bytes) -> None:
    first = with_xmp(jpeg(scene()), b'<rdf hdrgm:Version="1.0"/>')
    decoded = decode_views(mpo([(first, PRIMARY), (second, kind)]))
    assert [view.label for view in decoded.views] == [""]
    assert np.array_equal(decoded.views[0].pixels, decode(jpeg(scene())).pixels)
    assert (decoded.format, decoded.notes, decoded.missing) == ("JPEG", (), ())
    assert suffix_note(".jpg", decoded.format) == ()


@pytest.mark.parametrize(("kind", "size"), [(STEREO, (48, 64)), (UNDEFINED, (48, 64)), (UNDEFINED, (24, 32))])
def test_a_further_picture_of_its_own_is_looked_at(kind: int, size: tuple[int, int]) -> None:
    second = jpeg(scene(*size, seed=5))
    decoded = decode_views(mpo([(jpeg(scene()), PRIMARY), (second, kind)]))
    assert [view.label for view in decoded.views] == ["picture 1", "picture 2"]
    assert np.array_equal(decoded.views[1].pixels, decode(second).pixels)


def test_pictures_behind_a_jpeg_are_turned_as_each_of_them_says() -> None:
    pixels = np.asarray(scene())
    decoded = decode_views(mpo([(turned_by_exif(pixels, 6), PRIMARY), (turned_by_exif(pixels[::-1], 3), STEREO)]))
    assert [view.size for view in decoded.views] == [(48, 64), (64, 48)]


def test_a_listed_picture_that_is_not_in_the_file_is_said() -> None:
    first, second = jpeg(scene()), jpeg(scene(seed=5))
    content = mpo([(first, PRIMARY), (second, STEREO)])
    decoded = decode_views(content[: -len(second)])
    assert len(decoded.views) == 1
    assert decoded.notes == ("picture 2, of which its list speaks, is not in the file",)


def test_a_broken_list_of_pictures_is_passed_over() -> None:
    content = mpo([(jpeg(scene()), PRIMARY), (jpeg(scene(seed=5)), STEREO)])
    decoded = decode_views(content.replace(b"MPF\0II*\0\x08", b"MPF\0II*\0\xff"))
    assert len(decoded.views) == 1
    assert decoded.notes == ("its list of further pictures cannot be read and is passed over",)
