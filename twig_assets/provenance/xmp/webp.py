"""XMP in WebP: a chunk at the end, and a flag in the extended header, which simple files get for it.

Source: RFC 9649, sections 2.5 to 2.7.
"""

from collections.abc import Iterator

_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10


def read(data: bytes) -> bytes | None:
    """The packet; None where there is none."""
    return next((body for kind, body in _chunks(data) if kind == b"XMP "), None)


def write(data: bytes, packet: bytes) -> bytes:
    """The file with this packet in place of the one that it has."""
    chunks = [(kind, body) for kind, body in _chunks(data) if kind != b"XMP "]
    if chunks[0][0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _extended_header(*chunks[0])))
    kind, header = chunks[0]
    chunks[0] = (kind, bytes([header[0] | _XMP_FLAG]) + header[1:])
    body = b"WEBP" + b"".join(_chunk(*chunk) for chunk in [*chunks, (b"XMP ", packet)])
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    if start >= end:
        raise ValueError("it has no picture")
    while start + 8 <= end:
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        if start + 8 + length > end:
            raise ValueError("it ends in the middle of a chunk")
        yield data[start : start + 4], data[start + 8 : start + 8 + length]
        start += 8 + length + length % 2


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _extended_header(kind: bytes, body: bytes) -> bytes:
    """The header for a picture that has none: its size, and whether it has an alpha channel."""
    if kind == b"VP8 ":
        width, height = (int.from_bytes(body[start : start + 2], "little") & 0x3FFF for start in (6, 8))
        flags = 0
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
        flags = _ALPHA_FLAG if bits >> 28 & 1 else 0
    else:
        raise ValueError("its first chunk is no picture")
    return bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
