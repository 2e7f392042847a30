"""PNG files reduced to what makes their pixels, so that no text, time or profile in them can stand in the way."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twig_assets.similarity.corpus.unreadable import DecodeError, check_size

MAX_PROFILE = 16 << 20
"""A colour profile that unpacks to more bytes is passed over."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DRAWN = {b"IHDR", b"PLTE", b"IDAT"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class PngParts:
    """A PNG taken apart.

    Attributes:
        drawn: A PNG of the same pixels without anything else in it.
        still: The same without the animation; None if it has none.
        profile: Its ICC profile; None if it has none that can be unpacked.
        exif: Its EXIF data; None if it has none.
        bits: Bits per channel.
        notes: What was passed over or found broken, in words.
    """

    drawn: bytes
    still: bytes | None
    profile: bytes | None
    exif: bytes | None
    bits: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    data: bytes
    whole: bool
    sound: bool


def take_apart(content: bytes) -> PngParts:
    """Keep the chunks that make a PNG's pixels.

    Broken chunks that pixels do not depend on are passed over. Where the checksum of pixels is wrong or the file ends
    early, the pixels themselves are counted.

    Args:
        content: A PNG file.

    Raises:
        DecodeError: If pixels are missing or damaged, or there are too many.
    """
    chunks = list(_chunks(content))
    header = _header(chunks)
    notes: list[str] = []
    kept: list[_Chunk] = []
    profile = exif = None
    for chunk in chunks:
        if chunk.kind in _DRAWN or chunk.kind in _ANIMATION:
            kept.append(chunk)
        elif not chunk.whole or not chunk.sound:
            notes.append(f"the checksum of its {chunk.kind.decode()} chunk is wrong; the chunk is passed over")
        elif chunk.kind == b"tRNS":
            kept.append(chunk)
        elif chunk.kind == b"iCCP":
            profile = _profile(chunk.data)
            if profile is None:
                notes.append("its colour profile cannot be read and is passed over")
        elif chunk.kind == b"eXIf":
            exif = chunk.data
    kept = _without_broken_transparency(kept, header, notes)
    if any(chunk.kind == b"CgBI" for chunk in chunks):
        reason = "is a PNG in the form that only Apple's devices read (CgBI); convert it to an ordinary PNG"
        raise DecodeError("unsupported", reason)
    if any(chunk.kind == b"PLTE" and not chunk.sound for chunk in kept):
        raise DecodeError("damaged", "is damaged (the checksum of its palette is wrong); get the file again")
    notes += _doubts_about_pixels(chunks, header)
    animated = any(chunk.kind == b"acTL" for chunk in kept)
    still = [chunk for chunk in kept if chunk.kind not in _ANIMATION]
    return PngParts(
        _file(kept), _file(still) if animated else None, profile, exif, header[2], tuple(dict.fromkeys(notes))
    )


def _chunks(content: bytes) -> Iterator[_Chunk]:
    at = len(_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if not kind.isalpha():
            return
        data = content[at + 8 : at + 8 + length]
        stored = content[at + 8 + length : at + 12 + length]
        whole = len(data) == length and len(stored) == 4
        sound = whole and zlib.crc32(data, zlib.crc32(kind)) == int.from_bytes(stored, "big")
        yield _Chunk(kind, data, whole, sound)
        if kind == b"IEND" and length == 0:
            return
        at += 12 + length


def _header(chunks: Sequence[_Chunk]) -> tuple[int, int, int, int, int]:
    """Width, height, bits per channel, kind of colour, and whether rows are interlaced."""
    header = next((chunk for chunk in chunks if chunk.kind == b"IHDR"), None)
    if header is None or not header.sound or len(header.data) != 13:
        raise DecodeError("damaged", "is damaged (its header is broken or has a wrong checksum); get the file again")
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header.data)
    check_size(width, height)
    if colour not in _CHANNELS:
        raise DecodeError("damaged", f"is damaged (there is no PNG colour type {colour}); get the file again")
    return width, height, bits, colour, interlaced


def _without_broken_transparency(
    chunks: list[_Chunk], header: tuple[int, int, int, int, int], notes: list[str]
) -> list[_Chunk]:
    needed = {0: 2, 2: 6, 3: 1}.get(header[3])
    sound = [c for c in chunks if c.kind != b"tRNS" or (needed is not None and len(c.data) >= needed)]
    if len(sound) < len(chunks):
        notes.append("its list of transparent colours cannot be read and is passed over")
    return sound


def _doubts_about_pixels(chunks: Sequence[_Chunk], header: tuple[int, int, int, int, int]) -> list[str]:
    """Notes about a file whose pixels are all there although something is wrong; without doubt nothing is unpacked."""
    pixels = [chunk for chunk in chunks if chunk.kind == b"IDAT"]
    ended = bool(chunks) and chunks[-1].kind == b"IEND"
    if ended and pixels and all(chunk.sound for chunk in pixels):
        return []
    _check_pixels(pixels, header)
    notes = []
    if not all(chunk.sound for chunk in pixels):
        notes.append("a checksum of its pixels is wrong, though all of them can be unpacked")
    if not ended:
        notes.append("the end of the file is missing, though all pixels are there")
    return notes


def _check_pixels(pixels: Sequence[_Chunk], header: tuple[int, int, int, int, int]) -> None:
    width, height, bits, colour, interlaced = header
    bits_per_pixel = bits * _CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    expected = sum(
        rows * (1 + (columns * bits_per_pixel + 7) // 8)
        for x, y, dx, dy in passes
        if (columns := -(-(width - x) // dx)) > 0 and (rows := -(-(height - y) // dy)) > 0
    )
    present = 0
    unpacked = zlib.decompressobj()
    try:
        for chunk in pixels:
            waiting = chunk.data
            while waiting and present < expected:
                present += len(unpacked.decompress(waiting, 1 << 20))
                waiting = unpacked.unconsumed_tail
    except zlib.error as error:
        raise DecodeError("damaged", "is damaged (its pixels cannot be unpacked); get the file again") from error
    if present >= expected:
        return
    if interlaced:
        missing = f"{1 - present / expected:.0%} of its pixels are missing"
    else:
        rows = height - present * height // expected
        missing = f"{rows} of its {height} rows of pixels are missing"
    raise DecodeError("damaged", f"is damaged (the file is cut short: {missing}); get the file again")


def _profile(data: bytes) -> bytes | None:
    name, separator, packed = data.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if separator and len(name) < 80 and len(profile) >= 128 else None


def _file(chunks: Sequence[_Chunk]) -> bytes:
    return b"".join([_SIGNATURE, *(_bytes(chunk.kind, chunk.data) for chunk in chunks), _bytes(b"IEND", b"")])


def _bytes(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
