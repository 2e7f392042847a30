"""XMP in JPEG: a segment APP1 of its own.

Source: ITU-T T.81, annex B; XMP Specification Part 3. What Adobe calls extended XMP stays where it is.
"""

from collections.abc import Iterator

_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0"
_APP0, _APP1, _START_OF_SCAN = 0xE0, 0xE1, 0xDA
_MOST_BYTES = 0xFFFF - 2 - len(_NAME)


def read(data: bytes) -> bytes | None:
    """The packet; None where there is none."""
    for marker, body, _ in _segments(data):
        if marker == _APP1 and body.startswith(_NAME):
            return body[len(_NAME) :]
    return None


def write(data: bytes, packet: bytes) -> bytes:
    """The file with this packet in place of the one that it has.

    Raises:
        ValueError: If the packet does not fit into a segment.
    """
    if len(packet) > _MOST_BYTES:
        raise ValueError(f"its XMP would take {len(packet)} bytes, and a JPEG has room for {_MOST_BYTES}")
    own = b"\xff\xe1" + (len(packet) + len(_NAME) + 2).to_bytes(2, "big") + _NAME + packet
    first: list[bytes] = []
    rest: list[bytes] = []
    for marker, body, whole in _segments(data):
        if marker == _APP1 and body.startswith(_NAME):
            continue
        # JFIF and Exif ask to be the first.
        leads = not rest and (marker == _APP0 or (marker == _APP1 and body.startswith(_EXIF)))
        (first if leads else rest).append(whole)
    return b"".join([data[:2], *first, own, *rest])


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, content and all bytes of every segment; the last is the first scan with all that follows it."""
    start = 2
    while start < len(data):
        if data[start] != 0xFF:
            raise ValueError("a segment does not begin where it should")
        marker = data[start + 1]
        if marker == 0xFF:
            start += 1
            continue
        if marker == _START_OF_SCAN:
            yield marker, b"", data[start:]
            return
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if end > len(data) or end < start + 4:
            raise ValueError("it ends in the middle of a segment")
        yield marker, data[start + 4 : end], data[start:end]
        start = end
    raise ValueError("it has no picture")
