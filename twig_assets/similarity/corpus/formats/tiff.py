"""TIFF files: all pages at their full size, also in floating point, 32 and 64 bits."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image

from twig_assets.similarity.corpus.colour import Frame, scaled
from twig_assets.similarity.corpus.formats.loading import (
    TURNED,
    TURNS,
    FrameSource,
    explained,
    only_decode_errors,
    opened,
    profile_of,
    upright,
)
from twig_assets.similarity.corpus.unreadable import DecodeError, check_size

_TAGS = {"kind": 254, "bits": 258, "photometric": 262, "orientation": 274, "format": 339}


def tiff_frames(content: bytes) -> FrameSource:
    """The pages of a TIFF file; smaller previews and masks are none.

    Raises:
        DecodeError: If no page can be read.
    """
    try:
        image = opened(content, "TIFF")
    except DecodeError:
        raise
    except Exception as error:
        return _uncommon_tiff(content, error)
    pages: list[int] = []
    missing: tuple[str, ...] = ()
    try:
        for index in range(getattr(image, "n_frames", 1)):
            with suppress(SyntaxError, KeyError, ValueError):  # the page's tags are read before its pixels are refused
                image.seek(index)
            kind = image.tag_v2.get(_TAGS["kind"], 0)  # type: ignore[attr-defined]
            if not (isinstance(kind, int) and kind & 5):
                pages.append(index)
    except Exception as error:
        missing = (f"pages after page {len(pages)} cannot be read ({explained(error)})",)
        pages = pages or [0]
    if not pages:
        reason = "holds only a small preview that can be read, as a camera's raw file does; export it as TIFF or JPEG"
        raise DecodeError("unsupported", reason)
    notes = ("its smaller previews are passed over",) if len(pages) < getattr(image, "n_frames", 1) else ()

    def load(number: int) -> Frame:
        with only_decode_errors():
            try:
                return _tiff_page(image, pages[number])
            except (DecodeError, MemoryError):
                raise
            except Exception as error:
                return _uncommon_tiff(content, error).load(pages[number])

    return FrameSource("TIFF", image.size, len(pages), "page", load, notes, missing)


def _tiff_page(image: Image.Image, index: int) -> Frame:
    image.seek(index)
    check_size(*image.size)
    tags = image.tag_v2  # type: ignore[attr-defined]
    orientation = tags.get(_TAGS["orientation"], 1)
    bits = tags.get(_TAGS["bits"], (8,))[0]
    unsigned = tags.get(_TAGS["format"], (1,))[0] == 1
    white_is_zero = tags.get(_TAGS["photometric"]) == 0 and (image.mode.startswith("I") or image.mode == "F")
    profile = profile_of(image)
    # What Pillow reads of the EXIF data of a file with one page when it loads it may be broken.
    image.is_animated = True  # type: ignore[attr-defined]
    image.load()
    notes = (TURNED,) if orientation in TURNS else ()
    return Frame(image.copy(), profile, int(bits), unsigned, white_is_zero, notes)


def _uncommon_tiff(content: bytes, refusal: Exception) -> FrameSource:
    """A TIFF that Pillow does not read: colours in floating point or 32 bits, 64 bits.

    Args:
        content: The file.
        refusal: Why Pillow does not read it, raised where nobody else does either.
    """
    try:
        import tifffile
    except ImportError:
        raise refusal from None
    try:
        file = tifffile.TiffFile(io.BytesIO(content))
        count = len(file.pages)
        size = (int(file.pages.first.imagewidth), int(file.pages.first.imagelength))
    except Exception:
        raise refusal from None

    def load(index: int) -> Frame:
        with only_decode_errors():
            page = file.pages[index]
            if not isinstance(page, tifffile.TiffPage):
                page = page.aspage()
            check_size(page.imagewidth, page.imagelength)
            values = page.asarray()
            if page.planarconfig == 2 and values.ndim == 3:
                values = np.moveaxis(values, 0, -1)
            orientation = page.tags.valueof(_TAGS["orientation"], 1)
            image, note = _image_of_values(values, bool(page.extrasamples), page.photometric == 0)
            return upright(image, orientation, None, notes=(note,) if note else ())

    return FrameSource("TIFF", size, max(count, 1), "page", load)


def _image_of_values(values: np.ndarray, has_alpha: bool, white_is_zero: bool) -> tuple[Image.Image, str]:
    channels = 1 if values.ndim == 2 else values.shape[-1]
    if values.ndim not in (2, 3) or channels > 4 or values.dtype.kind not in "iufb":
        if not values.size:
            raise DecodeError("damaged", "is damaged (its pixels are not in the file); get the file again")
        reason = f"is a TIFF of a kind that is not read (shape {values.shape}, {values.dtype}); export it as PNG"
        raise DecodeError("unsupported", reason)
    values = values.reshape(*values.shape[:2], channels)
    colours = channels - (has_alpha and channels in (2, 4))
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * 255
    pixels, note = scaled(values[..., :colours])
    if white_is_zero:
        pixels = 255 - pixels
    mode = {1: "L", 2: "L", 3: "RGB", 4: "CMYK"}[colours]
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if mode == "L" else pixels), mode)
    if colours < channels:
        largest = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        alpha = (np.nan_to_num(values[..., -1].astype(np.float64)) / largest).clip(0, 1) * 255 + 0.5
        image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image, note
