"""Image files as a person would see them: every frame, on every ground; what cannot be shown is refused, with why."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twig_assets.similarity.corpus.borders import inside_borders
from twig_assets.similarity.corpus.colour import Colours, as_seen
from twig_assets.similarity.corpus.formats.file_kinds import FORMATS, suffix_note
from twig_assets.similarity.corpus.formats.loading import FrameSource, only_decode_errors
from twig_assets.similarity.corpus.frames import open_frames
from twig_assets.similarity.corpus.transparency import GROUNDS, ON_WHITE, grounds, is_blank, on_ground
from twig_assets.similarity.corpus.unreadable import MAX_PIXELS, DecodeError, Kind

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_FRAMES",
    "MAX_PIXELS",
    "Decoded",
    "DecodedViews",
    "DecodeError",
    "Kind",
    "View",
    "decode",
    "decode_view",
    "decode_views",
    "frame_of",
    "read_file",
    "suffix_note",
]

MAX_BYTES = 1 << 30
"""Files of more bytes (1 GiB) are not read: no picture of MAX_PIXELS pixels needs so many."""

MAX_FRAMES = 64
"""Of more frames or pages as many are looked at, evenly spaced, the first and the last among them."""

_FRAME_NOTES = 6
"""Of what is said of single frames, such as the range of their values, no more is kept."""

WITHOUT_BORDER = "without its border"
"""What a look at a picture is called that leaves out its frame, bars and captions."""

MAX_UNPACKED = 1 << 32
"""Of an animation at most so many pixels are unpacked (4,295 million, 2,000 frames in full HD)."""


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


@dataclass(frozen=True, eq=False)
class View:
    """One look at a picture: a frame on a ground, all of it or what is inside its border.

    Attributes:
        pixels: uint8 array of shape (h, w, 3), as `shrink` left it.
        size: Width and height of the frame itself.
        frame: Which frame, such as `frame 3`; empty if the file has one only.
        ground: What it is laid on, such as `on black`; empty if it is opaque.
        part: WITHOUT_BORDER, or empty for all of it.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    frame: str
    ground: str
    part: str = ""

    @property
    def label(self) -> str:
        """All of that in words, such as `frame 3, on black`; empty for a plain picture."""
        return ", ".join(part for part in (self.frame, self.ground, self.part) if part)


@dataclass(frozen=True, eq=False)
class DecodedViews:
    """A picture as everything that it may look like.

    Attributes:
        format: One of FORMATS.
        size: Width and height of its first frame.
        views: At least one look at it, in order of frames, all different. Blank ones are left out unless all are, and
            then there is one.
        notes: What was done to it on the way, in words; empty when nothing was.
        missing: Frames that could not be looked at, each with the reason. A copy may be among them.
        blank: Whether it shows one colour only, in every frame and on every ground.
    """

    format: str
    size: tuple[int, int]
    views: tuple[View, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    blank: bool


def read_file(path: Path) -> bytes:
    """The content of a file; its size is looked at before it is read.

    Raises:
        DecodeError: If it cannot be read, is no file, or has more than MAX_BYTES bytes.
    """
    try:
        # What is no file, such as a pipe, might never answer when it is opened.
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise DecodeError("unreadable", "cannot be read: Is a directory; name a file")
        if not stat.S_ISREG(status.st_mode):
            raise DecodeError("unreadable", "is not a regular file; name a file")
        if status.st_size > MAX_BYTES:
            raise _too_many_bytes(status.st_size)
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}; check that it is still there and may be read"
        raise DecodeError("unreadable", reason) from error
    except MemoryError as error:
        raise DecodeError("too large", "needs more memory to read than there is; reduce its size") from error
    if len(content) > MAX_BYTES:
        raise _too_many_bytes(len(content))
    return content


def decode(content: bytes) -> Decoded:
    """Decode the first frame of an image file, on white.

    The EXIF orientation is applied, transparency laid on white, more than 8 bits reduced to 8, and a colour profile
    converted to sRGB.

    Raises:
        DecodeError: If it is no image of one of FORMATS, is damaged, or has more than MAX_PIXELS pixels. Whatever
            the bytes are, nothing else is raised.
    """
    source = open_frames(content)
    with only_decode_errors():
        frame = source.load(0)
        colours = as_seen(frame)
        notes = [f"the first of {source.count} {source.noun}s is taken"] if source.count > 1 else []
        notes += [*source.notes, *colours.notes]
        if colours.alpha is not None:
            notes.append("transparency is laid on white")
        pixels = on_ground(colours.rgb, colours.alpha, (255, 255, 255))
        return Decoded(pixels, source.format, _distinct(notes))


def decode_views(content: bytes, shrink: Callable[[np.ndarray], np.ndarray] | None = None) -> DecodedViews:
    """Decode every frame of an image file, each on white, on black and as its own shape where these differ.

    What has a border, bars or captions is looked at without them, too; see `inside_borders`.

    Args:
        content: The file.
        shrink: Applied to every view as soon as it is decoded, so that no more than one is in memory at its full size;
            takes and returns uint8 (h, w, 3). Nothing by default.

    Raises:
        DecodeError: If its first frame cannot be decoded; see `decode`. Nothing else is raised.
    """
    source = open_frames(content)
    with only_decode_errors():
        looks = _Looks(shrink)
        indices, notes = _sampled(source)
        missing = list(source.missing)
        for index in indices:
            name = _name(source, index)
            try:
                looks.add(as_seen(source.load(index)), name)
            except DecodeError as error:
                if index == 0:
                    raise
                missing.append(f"{name} of {source.count} {error}")
        notes = [*source.notes, *notes, *looks.notes()]
        return DecodedViews(source.format, looks.size, looks.views(), _distinct(notes), tuple(missing), looks.blank)


def decode_view(content: bytes, label: str, shrink: Callable[[np.ndarray], np.ndarray] | None = None) -> View:
    """Decode one view again; only its frame is laid on grounds.

    Args:
        content: The file.
        label: A label that `decode_views` gave to a view of it.
        shrink: See `decode_views`.

    Raises:
        DecodeError: If there is no such view any more, or it cannot be decoded. Nothing else is raised.
    """
    source = open_frames(content)
    with only_decode_errors():
        looks = _Looks(shrink)
        for index in _sampled(source)[0]:
            if _name(source, index) == frame_of(label):
                looks.add(as_seen(source.load(index)), _name(source, index))
        for view in looks.views():
            if view.label == label:
                return view
        raise DecodeError("damaged", f"has no view called {label!r}; run the same command again")


def frame_of(label: str) -> str:
    """The frame in a view's label, such as `frame 3` in `frame 3, on black`; empty if the file has one only."""
    whole = label.removesuffix(WITHOUT_BORDER).removesuffix(", ")
    for ground in GROUNDS:
        if whole.endswith(ground):
            return whole.removesuffix(ground).removesuffix(", ")
    return whole


class _Looks:
    """What was seen of a picture so far."""

    def __init__(self, shrink: Callable[[np.ndarray], np.ndarray] | None) -> None:
        self.size = (0, 0)
        self._shrink = shrink
        self._seen: dict[bytes, View] = {}
        self._first_blank: View | None = None
        self._notes: list[str] = []
        self._transparent = self._bordered = False
        self._blank_frames: list[str] = []

    @property
    def blank(self) -> bool:
        return not self._seen

    def add(self, colours: Colours, frame: str) -> None:
        self.size = self.size if any(self.size) else colours.rgb.size
        self._notes += colours.notes
        self._transparent |= colours.alpha is not None
        shown = False
        for ground, pixels in grounds(colours.rgb, colours.alpha):
            blank = is_blank(pixels)
            shown |= not blank
            if blank and self._first_blank is not None:
                continue
            if (key := _content_key(pixels)) in self._seen:
                continue
            view = View(self._shrunk(pixels), colours.rgb.size, frame, ground)
            if blank:
                self._first_blank = view
            else:
                self._seen[key] = view
                self._add_without_border(view, pixels)
        if not shown:
            self._blank_frames.append(frame)

    def _add_without_border(self, view: View, pixels: np.ndarray) -> None:
        box = inside_borders(pixels)
        if box is None or is_blank(inner := box.of(pixels)):
            return
        self._bordered = True
        small = self._shrunk(np.ascontiguousarray(inner))
        self._seen.setdefault(_content_key(inner), replace(view, pixels=small, part=WITHOUT_BORDER))

    def _shrunk(self, pixels: np.ndarray) -> np.ndarray:
        return pixels if self._shrink is None else self._shrink(pixels)

    def views(self) -> tuple[View, ...]:
        if self._seen or self._first_blank is None:
            return tuple(self._seen.values())
        return (self._first_blank,)

    def notes(self) -> list[str]:
        notes = list(_distinct(self._notes)[:_FRAME_NOTES])
        if self._transparent:
            laid = _distinct([view.ground or ON_WHITE for view in self.views()])
            notes.append(f"transparent: looked at {', '.join(laid)}")
        if self._bordered:
            notes.append(f"looked at {WITHOUT_BORDER}, too")
        if self.blank:
            notes.append("shows one colour only")
        elif self._blank_frames:
            notes.append(f"shows one colour only in {', '.join(self._blank_frames[:5])}, which is passed over")
        return notes


def _content_key(pixels: np.ndarray) -> bytes:
    content = hashlib.blake2b(repr(pixels.shape).encode())
    content.update(np.ascontiguousarray(pixels).data)
    return content.digest()


def _name(source: FrameSource, index: int) -> str:
    return f"{source.noun} {index + 1}" if source.count > 1 else ""


def _sampled(source: FrameSource) -> tuple[list[int], list[str]]:
    """Which frames are looked at, and a note if these are not all."""
    count = source.count
    notes = []
    if source.noun == "frame" and count > 1:
        width, height = source.size
        affordable = max(1, MAX_UNPACKED // (width * height))
        if affordable < count:
            notes.append(f"frames after frame {affordable} are too many to unpack and not looked at")
            count = affordable
    if count <= MAX_FRAMES:
        return list(range(count)), notes
    indices = [round(i * (count - 1) / (MAX_FRAMES - 1)) for i in range(MAX_FRAMES)]
    notes.append(f"of its {count} {source.noun}s {MAX_FRAMES} are looked at, evenly spaced from the first to the last")
    return indices, notes


def _too_many_bytes(size: int) -> DecodeError:
    reason = f"has {size:,} bytes, more than the {MAX_BYTES:,} that are read of one file; reduce it, or split its pages"
    return DecodeError("too large", reason)


def _distinct(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
