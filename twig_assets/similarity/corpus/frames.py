"""The frames, pages and pictures of a file, one after another, whatever the format keeps them in."""

import importlib

from PIL import features

from twig_assets.similarity.corpus.colour import Frame
from twig_assets.similarity.corpus.formats.file_kinds import file_format, missing_bytes
from twig_assets.similarity.corpus.formats.jpeg import jpeg_frames
from twig_assets.similarity.corpus.formats.loading import (
    FrameSource,
    exif_of,
    explained,
    frame_count,
    only_decode_errors,
    opened,
    orientation_of,
    profile_of,
    upright,
)
from twig_assets.similarity.corpus.formats.png import take_apart
from twig_assets.similarity.corpus.formats.tiff import tiff_frames
from twig_assets.similarity.corpus.unreadable import DecodeError, check_size


def open_frames(content: bytes) -> FrameSource:
    """Find out what a file is and how many frames it has; their pixels are not unpacked yet.

    Args:
        content: The file.

    Raises:
        DecodeError: If it is no picture that can be read.
    """
    format = file_format(content)
    with only_decode_errors():
        if format == "PNG":
            return _png(content)
        if format == "JPEG":
            return jpeg_frames(content)
        if format == "TIFF":
            return tiff_frames(content)
        if format == "HEIF":
            _register_heif()
        try:
            return _avif(content) if format == "AVIF" else _plain(content, format)
        except (DecodeError, MemoryError):
            raise
        except Exception as error:
            if missing := missing_bytes(content):
                reason = f"is damaged (the file is cut short: {missing:,} bytes are missing); get the file again"
                raise DecodeError("damaged", reason) from error
            raise


def _plain(content: bytes, format: str) -> FrameSource:
    """A file that Pillow reads as a whole."""
    image = opened(content, format)
    orientation, notes = orientation_of(image.getexif)
    count, missing = frame_count(image)

    def load(index: int) -> Frame:
        with only_decode_errors():
            if count > 1 or index:
                image.seek(index)
            check_size(*image.size)
            image.load()
            return upright(image.copy(), orientation, profile_of(image))

    return FrameSource(format, image.size, count, "frame", load, notes, missing)


def _avif(content: bytes) -> FrameSource:
    if not features.check("avif"):
        reason = "is an AVIF picture, which this Pillow cannot read; install Pillow 11.3 or later"
        raise DecodeError("unsupported", reason)
    try:
        return _plain(content, "AVIF")
    except (DecodeError, MemoryError):
        raise
    except Exception:
        # Pillow reads the EXIF data when it opens the file, and broken data stops it; under another name it is unseen.
        return _plain(content.replace(b"Exif", b"exiX"), "AVIF")


def _register_heif() -> None:
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        reason = "is a HEIC picture; install the extra `heif` (pip install 'twig-assets[heif]'), or convert it to JPEG"
        raise DecodeError("unsupported", reason) from error
    heif.register_heif_opener(thumbnails=False)


def _png(content: bytes) -> FrameSource:
    parts = take_apart(content)
    missing: tuple[str, ...] = ()
    try:
        image = opened(parts.drawn, "PNG")
        count, missing = frame_count(image)
    except (DecodeError, MemoryError):
        raise
    except Exception as error:
        if parts.still is None:
            raise
        image, count = opened(parts.still, "PNG"), 1
        missing = (f"its animation is damaged ({explained(error)}), so only its still picture can be looked at",)
    orientation, exif_notes = orientation_of(lambda: exif_of(parts.exif))

    def load(index: int) -> Frame:
        with only_decode_errors():
            if count > 1 or index:
                image.seek(index)
            image.load()
            return upright(image.copy(), orientation, parts.profile, bits=parts.bits)

    return FrameSource("PNG", image.size, count, "frame", load, parts.notes + exif_notes, missing)
