"""Image files as a person would see them on white paper; whatever cannot be shown so is refused with the reason."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 89_478_485
"""More pixels than this (about 9,460 x 9,460) are not unpacked; Pillow warns of a decompression bomb from here on."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

Kind = Literal["empty", "not an image", "damaged", "too large", "unsupported", "unreadable"]

_SUFFIXES = {
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
}
_EXIF_ORIENTATION = 0x0112


class DecodeError(ValueError):
    """Content that is not a picture one could look at.

    Attributes:
        kind: What is wrong with it.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded picture.

    Attributes:
        pixels: uint8 array of shape (h, w, 3) at the picture's own size.
        format: One of FORMATS.
        notes: What was done to it on the way, in words; empty when nothing was.
    """

    pixels: np.ndarray
    format: str
    notes: tuple[str, ...]


def suffix_note(suffix: str, format: str) -> tuple[str, ...]:
    """A note if a file's suffix (such as `.png`, or none) promises another format than its content has."""
    if suffix.lower() in _SUFFIXES[format]:
        return ()
    return (f"is a {format} file, though its name ends with {suffix or 'no suffix'}",)


def read_file(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DecodeError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or str(error)) from error


def decode(content: bytes) -> Decoded:
    """Decode an image file.

    The EXIF orientation is applied, transparency laid on white, 16 bits reduced to 8, and of an animation the first
    frame taken. CMYK and palettes become RGB without regard to colour profiles.

    Raises:
        DecodeError: If it is no image of one of FORMATS, is damaged, or has more than MAX_PIXELS pixels. Whatever
            the bytes are, nothing else is raised.
    """
    if not content:
        raise DecodeError("empty", "is empty (0 bytes), so not an image of a known format; get the file again")
    try:
        with warnings.catch_warnings():
            # Other doubts of a decoder end in damage or in pixels; only this one must stop it.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise Image.DecompressionBombError(f"{opened.width} x {opened.height}")
                notes = _notes(opened)
                opened.load()
                pixels = np.asarray(_on_white(ImageOps.exif_transpose(opened)))
                return Decoded(pixels, str(opened.format), notes)
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError("too large", f"has too many pixels to unpack safely ({error}); reduce its size") from error
    except Image.UnidentifiedImageError as error:
        reason = f"is not an image of a known format; convert it to one of {', '.join(FORMATS)}"
        raise DecodeError("not an image", reason) from error
    except Exception as error:  # a decoder raises whatever it trips over in a damaged file
        raise DecodeError("damaged", f"is damaged ({_first_line(error)}); get the file again") from error


def _notes(image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    turned = image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9)
    said = {
        f"the first of {frames} frames is taken": frames > 1,
        "turned as its EXIF orientation says": turned,
        "transparency is laid on white": image.has_transparency_data,
        "CMYK is converted without a colour profile": image.mode == "CMYK",
        "16 bits are reduced to 8": image.mode.startswith("I"),
    }
    return tuple(note for note, holds in said.items() if holds)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257 + 0.5).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        reason = "holds floating point values, whose white is not known; convert it to PNG"
        raise DecodeError("unsupported", reason)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, (255, 255, 255))
        white.paste(layer, mask=layer)
        return white
    return image.convert("RGB")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
