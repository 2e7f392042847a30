"""What is no picture is told by its name, and what to do about it."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.similarity.corpus.picture_files import scene
from tests.unit.similarity.pictures import encoded
from twig_assets.similarity.corpus import decode as decoding
from twig_assets.similarity.corpus import frames
from twig_assets.similarity.corpus.decode import DecodeError, decode, read_file, suffix_note

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)


def refused(content: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(content)
    return caught.value


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"just some words\n", "not an image", "is a text file, not a picture; take it away"),
        ("schöne Grüße".encode(), "not an image", "is a text file"),
        ("words".encode("utf-16"), "not an image", "is a text file"),
        (b"<!DOCTYPE html><html>404</html>", "not an image", "is a web page, .* get the file again"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "unsupported", "is an SVG drawing, .* export it as PNG"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "not an image", "git lfs pull"),
        (b"8BPS" + bytes(9), "unsupported", "is a Photoshop document"),
        (b"%PDF-1.4", "unsupported", "is a PDF document, .* export its pages"),
        (b"PK\x03\x04" + bytes(9), "not an image", "is a ZIP archive"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "not an image", "is a video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx ", "unsupported", "is a camera's raw file"),
        (b"\xff\x0a" + bytes(9), "unsupported", "is a JPEG XL picture"),
        (bytes(4096), "not an image", "holds nothing but zero bytes"),
        (encoded(scene()).replace(b"\r\n", b"\n"), "damaged", "transferred as if it were text"),
        (b"\x01\x02\x03\xff\xfe", "not an image", "is not an image of a known format"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(content: bytes, kind: str, reason: str) -> None:
    error = refused(content)
    assert error.kind == kind
    with pytest.raises(DecodeError, match=reason):
        raise error


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_a_heic_picture_without_its_library_names_the_extra(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(frames.importlib, "import_module", not_installed)
    error = refused(HEIC.replace(b"heic", brand))
    assert error.kind == "unsupported"
    assert "is a HEIC picture; install the extra `heif` (pip install 'twig-assets[heif]')" in str(error)


def test_a_heic_picture_is_read_with_its_library() -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
    heif.register_heif_opener()
    decoded = decode(encoded(scene(64, 96), "HEIF"))
    assert decoded.format == "HEIF"
    assert decoded.pixels.shape == (64, 96, 3)
    assert suffix_note(".heic", decoded.format) == ()


def test_an_avif_picture_that_pillow_cannot_read_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(scene(), "AVIF")
    assert decode(content).format == "AVIF"
    monkeypatch.setattr(frames.features, "check", lambda name: False)
    assert "install Pillow 11.3" in str(refused(content))


def test_jpeg_2000_is_read() -> None:
    assert decode(encoded(scene(), "JPEG2000")).format == "JPEG2000"


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_file_of_six_gigabytes_is_refused_by_its_size_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(6 << 30)
    with pytest.raises(DecodeError, match="has 6,442,450,944 bytes, more than") as caught:
        read_file(path)
    assert caught.value.kind == "too large"


def test_a_file_that_grows_while_it_is_read_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "grows.png"
    path.write_bytes(bytes(99))
    monkeypatch.setattr(decoding, "MAX_BYTES", 50)
    sizes = os.stat_result((0o100644, 1, 1, 1, 0, 0, 10, 0, 0, 0))
    monkeypatch.setattr(decoding.os, "stat", lambda _: sizes)
    with pytest.raises(DecodeError, match="has 51 bytes"):
        read_file(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DecodeError, match="is not a regular file"):
        read_file(tmp_path / "pipe.png")
    with pytest.raises(DecodeError, match="Is a directory"):
        read_file(tmp_path)
    with pytest.raises(DecodeError, match="No such file or directory; check that it is still there") as caught:
        read_file(tmp_path / "gone" / "gone.png")
    assert caught.value.kind == "unreadable"


def test_memory_that_does_not_suffice_to_read_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("builtins.open", exhausted)
    with pytest.raises(DecodeError, match="more memory to read than there is"):
        read_file(path)
