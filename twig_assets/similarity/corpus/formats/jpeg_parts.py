"""JPEG files reduced to what makes their pixels, and the pictures that lie behind the first one in the same file."""

import re
import struct
from dataclasses import dataclass, field

from twig_assets.similarity.corpus.unreadable import DecodeError, check_size

MAX_PICTURES = 64
"""Of one file no more pictures are sought."""

END = b"\xff\xd9"

_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JFIF = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_GAIN_MAP = (b"hdrgm:", b"hdrgainmap", b"urn:iso:std:iso:ts:21496")
_DEPTH_MAP = (b"depthBlurCameraCharacteristics", b"apdi:AuxiliaryImageType", b"GDepth", b"depthmap")


@dataclass(frozen=True)
class Scan:
    """One scan of a picture.

    Attributes:
        start: Where its header begins in `JpegPicture.drawn`.
        components: Which components it draws.
        coefficients: First and last coefficient.
        refines: Whether it only makes coefficients exacter.
    """

    start: int
    components: frozenset[int]
    coefficients: tuple[int, int]
    refines: bool


@dataclass
class JpegPicture:
    """One picture of a JPEG file.

    Attributes:
        drawn: A JPEG of the same pixels without notes, profiles and previews in it, ending where the file does.
        end: Where in the file it ends.
        ended: Whether it has an end marker.
        size: Width and height.
        components: The components' numbers, brightness first.
        progressive: Whether it is drawn coarse first.
        scans: Its scans in order.
        profile: Its ICC profile; None if it has none or parts of it are missing.
        exif: Its EXIF data; None if it has none.
        container: The list of the file's pictures and where in the file its offsets count from; None without.
        is_map: Whether it says of itself that it is no picture but a map of brightness or depth.
    """

    drawn: bytearray = field(default_factory=lambda: bytearray(b"\xff\xd8"))
    end: int = 0
    ended: bool = False
    size: tuple[int, int] = (0, 0)
    components: tuple[int, ...] = ()
    progressive: bool = False
    scans: list[Scan] = field(default_factory=list)
    profile: bytes | None = None
    exif: bytes | None = None
    container: tuple[bytes, int] | None = None
    is_map: bool = False


@dataclass(frozen=True)
class Neighbour:
    """An entry of the list of pictures in a file (MPF, CIPA DC-007).

    Attributes:
        kind: What the list says it is: `thumbnail`, `map`, `view` (of a stereo pair or a panorama) or `undefined`.
        start: Where it begins in the file.
    """

    kind: str
    start: int


def read_picture(content: bytes, start: int = 0) -> JpegPicture:
    """Take a JPEG apart.

    Args:
        content: The file.
        start: Where the picture begins in it.

    Raises:
        DecodeError: If it ends before its first pixel, or has too many pixels.
    """
    picture = JpegPicture()
    profile_parts: dict[int, bytes] = {}
    at = start + 2
    while True:
        marker = _NEXT_MARKER.search(content, at)
        if marker is None:
            picture.end = len(content)
            break
        code, at = content[marker.end() - 1], marker.end()
        if code == 0xD9:
            picture.ended, picture.end = True, at
            break
        if code in (0x01, 0xD8):
            continue
        length = int.from_bytes(content[at : at + 2], "big")
        body = content[at + 2 : at + length]
        if length < 2 or len(body) < length - 2:
            picture.end = len(content)
            break
        segment = bytes((0xFF, code)) + content[at : at + length]
        at += length
        if code == 0xDA:
            following = _NEXT_MARKER.search(content, at)
            end = following.start() if following else len(content)
            picture.scans.append(_scan(body, len(picture.drawn)))
            picture.drawn += segment + content[at:end]
            at = end
        elif 0xE0 <= code <= 0xEF:
            _read_application_data(picture, code, body, at - length + 2, profile_parts)
        elif code != 0xFE:
            if code in _FRAMES:
                _read_frame_header(picture, code, body)
            picture.drawn += segment
    if not picture.scans or not picture.components:
        raise DecodeError("damaged", "is damaged (the file ends before its first pixel); get the file again")
    if profile_parts and sorted(profile_parts) == list(range(1, len(profile_parts) + 1)):
        picture.profile = b"".join(profile_parts[number] for number in sorted(profile_parts))
    if not picture.ended:
        # A download that broke off may have left room for the rest.
        picture.drawn = picture.drawn.rstrip(b"\0")
    return picture


def neighbours(picture: JpegPicture) -> list[Neighbour]:
    """The other pictures of the file, as the list in its first one says.

    Raises:
        ValueError: If the list is malformed.
    """
    if picture.container is None:
        return []
    data, base = picture.container
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise ValueError("no byte order")
    try:
        (directory,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, directory)
        entries = b""
        for i in range(count):
            tag, _, size, place = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * i)
            if tag == 0xB002:
                entries = data[place : place + size]
        pictures = [_neighbour(order, entries, at, base) for at in range(16, len(entries) - 15, 16)]
    except struct.error as error:
        raise ValueError(str(error)) from error
    return pictures[: MAX_PICTURES - 1]


def whole_scans(picture: JpegPicture, last_is_whole: bool) -> bytes | None:
    """A progressive picture without the scan in which its file ends.

    Args:
        picture: A picture without an end marker.
        last_is_whole: Whether the last scan is complete.

    Returns:
        A JPEG; None if what is complete shows no more than a blur, or colours are missing.
    """
    scans = picture.scans if last_is_whole else picture.scans[:-1]
    seen: dict[int, set[int]] = {component: set() for component in picture.components}
    for scan in scans:
        first, last = scan.coefficients
        if not scan.refines and 0 <= first <= last <= 63:
            for component in scan.components & seen.keys():
                seen[component].update(range(first, last + 1))
    complete = len(seen[picture.components[0]]) == 64 and all(0 in coefficients for coefficients in seen.values())
    if not complete:
        return None
    end = len(picture.drawn) if last_is_whole else picture.scans[-1].start
    return bytes(picture.drawn[:end]) + END


def _scan(body: bytes, start: int) -> Scan:
    count = body[0] if body else 0
    if len(body) < 1 + 2 * count + 3:
        raise DecodeError("damaged", "is damaged (the header of a scan is broken); get the file again")
    first, last, approximation = body[1 + 2 * count : 4 + 2 * count]
    return Scan(start, frozenset(body[1 : 1 + 2 * count : 2]), (first, last), approximation >> 4 > 0)


def _read_frame_header(picture: JpegPicture, code: int, body: bytes) -> None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5] or not body[5]:
        raise DecodeError("damaged", "is damaged (its header is broken); get the file again")
    bits, height, width, count = struct.unpack_from(">BHHB", body)
    check_size(width, height)
    if bits != 8:
        raise DecodeError("unsupported", f"is a JPEG of {bits} bits, which cannot be read; convert it to PNG or TIFF")
    picture.size = (width, height)
    picture.components = tuple(body[6 : 6 + 3 * count : 3])
    picture.progressive = code in _PROGRESSIVE


def _read_application_data(
    picture: JpegPicture, code: int, body: bytes, place: int, profile_parts: dict[int, bytes]
) -> None:
    if code == 0xE0 and body.startswith(b"JFIF\0"):
        picture.drawn += _JFIF
    elif code == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        picture.drawn += b"\xff\xee\x00\x0e" + body[:12]
    elif code == 0xE1 and body.startswith(b"Exif\0") and picture.exif is None:
        picture.exif = body
    elif code == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
        profile_parts[body[12]] = body[14:]
    elif code == 0xE2 and body.startswith(b"MPF\0"):
        picture.container = body[4:], place + 4
    # The first picture of a file also says that there is a gain map; only a map's own header holds these values.
    picture.is_map |= any(mark in body for mark in (*_GAIN_MAP, *_DEPTH_MAP))


def _neighbour(order: str, entries: bytes, at: int, base: int) -> Neighbour:
    attributes, _, offset = struct.unpack_from(order + "III", entries, at)
    kind = attributes & 0xFFFFFF
    name = {0x01: "thumbnail", 0x02: "view", 0x05: "map"}.get(kind >> 16, "undefined")
    return Neighbour(name, base + offset)
