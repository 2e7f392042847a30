"""XMP in PNG: an international text chunk before the pixels.

Source: PNG Specification, section 11.3.3.4 (iTXt); XMP Specification Part 3.
"""

import zlib
from collections.abc import Iterator

_SIGNATURE = 8
_KEYWORD = b"XML:com.adobe.xmp\0"
_MOST_BYTES = 1 << 24


def read(data: bytes) -> bytes | None:
    """The packet; None where there is none."""
    for kind, body, _ in _chunks(data):
        if kind == b"iTXt" and body.startswith(_KEYWORD):
            return _text(body[len(_KEYWORD) :])
    return None


def write(data: bytes, packet: bytes) -> bytes:
    """The file with this packet in place of the one that it has."""
    body = _KEYWORD + b"\0\0\0\0" + packet
    parts = [data[:_SIGNATURE]]
    for kind, old, whole in _chunks(data):
        if kind == b"iTXt" and old.startswith(_KEYWORD):
            continue
        parts.append(whole)
        if kind == b"IHDR":
            checksum = zlib.crc32(b"iTXt" + body)
            parts.append(len(body).to_bytes(4, "big") + b"iTXt" + body + checksum.to_bytes(4, "big"))
    return b"".join(parts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, content and all bytes of every chunk."""
    start = _SIGNATURE
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        end = start + 12 + length
        if end > len(data):
            raise ValueError("it ends in the middle of a chunk")
        yield data[start + 4 : start + 8], data[start + 8 : end - 4], data[start:end]
        start = end


def _text(rest: bytes) -> bytes:
    compressed = rest[0]
    # Language and translated keyword end with a zero each.
    text = rest[2:].split(b"\0", 2)[2]
    if not compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"its XMP cannot be decompressed: {error}") from error
