"""What the loading of all formats shares: errors, frame counts, EXIF orientation, and how frames are offered."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from PIL import ExifTags, Image

from twig_assets.similarity.corpus.colour import Frame
from twig_assets.similarity.corpus.unreadable import DecodeError, check_size

TURNED = "turned as its EXIF orientation says"

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> how a picture is turned upright; there is nothing to do for others."""

_CUT_SHORT = ("truncated", "unexpected end of file", "bytes but only got")
_INTERNAL = ("unpack", "index", "reshape", "not supported between", "argument", "object")
_NO_EXIF = "its EXIF data cannot be read and is passed over"


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A file whose frames can be loaded.

    Attributes:
        format: One of FORMATS.
        size: Width and height of the first frame, as the file has it.
        count: How many frames it has.
        noun: What they are called.
        load: Loads the frame of a number from 0; quickest in order. Raises DecodeError.
        notes: What was passed over or found broken, in words.
        missing: What belongs to the picture and cannot be looked at, each with the reason.
    """

    format: str
    size: tuple[int, int]
    count: int
    noun: str
    load: Callable[[int], Frame]
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@contextmanager
def only_decode_errors() -> Iterator[None]:
    """Turn whatever a decoder raises into a DecodeError, and keep its warnings from being printed.

    Raises:
        DecodeError: In place of any other exception.
    """
    try:
        with warnings.catch_warnings(), _silent_loggers():
            warnings.simplefilter("ignore")
            yield
    except DecodeError:
        raise
    except MemoryError as error:
        reason = "needs more memory to unpack than there is; reduce its size, or use a machine with more memory"
        raise DecodeError("too large", reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError("too large", f"has too many pixels to unpack safely ({error}); reduce its size") from error
    except Exception as error:  # a decoder raises whatever it trips over in a damaged file
        raise DecodeError("damaged", f"is damaged ({explained(error)}); get the file again") from error


def explained(error: Exception) -> str:
    """What a decoder tripped over, as far as a person can make something of it."""
    message = (str(error).splitlines() or [""])[0].strip().rstrip(".")
    if any(sign in message.lower() for sign in _CUT_SHORT):
        return "the file is cut short"
    # What others say is about the decoder rather than about the file.
    about_file = isinstance(error, OSError | SyntaxError | ValueError) and not any(s in message for s in _INTERNAL)
    return message if message and about_file else "its structure is broken"


@contextmanager
def _silent_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("PIL", "tifffile")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def opened(content: bytes, format: str) -> Image.Image:
    """Open a file with the decoder of its format.

    Unlike `Image.open` it raises what the decoder trips over.

    Raises:
        DecodeError: If it has too many pixels.
    """
    Image.preinit()
    if format not in Image.OPEN:
        Image.init()
    image = Image.OPEN[format][0](io.BytesIO(content), "")
    check_size(*image.size)
    return image


def frame_count(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    """How many frames a file has, at least one, and what of it cannot be counted, with the reason."""
    try:
        return max(1, int(getattr(image, "n_frames", 1))), ()
    except MemoryError:
        raise
    except Exception as error:
        with suppress(Exception):
            image.seek(0)
        return 1, (f"what follows its first frame is damaged ({explained(error)})",)


def profile_of(image: Image.Image) -> bytes | None:
    """The ICC profile that Pillow read; None if there is none."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None


def exif_of(data: bytes | None) -> Image.Exif:
    """EXIF data taken apart; what it raises if the data is malformed is anything."""
    exif = Image.Exif()
    if data:
        exif.load(data)
    return exif


def orientation_of(read: Callable[[], Image.Exif]) -> tuple[int, tuple[str, ...]]:
    """The EXIF orientation, 1 where there is none, and a note if the EXIF data is broken."""
    try:
        return read().get(ExifTags.Base.Orientation, 1), ()
    except MemoryError:
        raise
    except Exception:
        return 1, (_NO_EXIF,)


def upright(
    image: Image.Image, orientation: object, profile: bytes | None, notes: tuple[str, ...] = (), bits: int = 8
) -> Frame:
    """A frame turned as its EXIF orientation says.

    Args:
        image: A frame that was loaded.
        orientation: What its EXIF data says, if anything.
        profile: Its ICC profile.
        notes: What was done to it already.
        bits: Bits per channel in the file.
    """
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        return Frame(image, profile, bits, notes=notes)
    return Frame(image.transpose(turn), profile, bits, notes=(*notes, TURNED))
