"""XMP in TIFF: tag 700 of the first directory, which is written again at the end of the file.

Source: TIFF Revision 6.0, section 2; XMP Specification Part 3.
"""

from typing import Literal

_TAG, _BYTES, _ENTRY = 700, 1, 12


def read(data: bytes) -> bytes | None:
    """The packet; None where there is none."""
    order = _order(data)
    entries, _ = _directory(data, order)
    for entry in entries:
        if int.from_bytes(entry[:2], order) == _TAG:
            count, place = (int.from_bytes(entry[start : start + 4], order) for start in (4, 8))
            return entry[8 : 8 + count] if count <= 4 else data[place : place + count]
    return None


def write(data: bytes, packet: bytes) -> bytes:
    """The file with this packet in place of the one that it has."""
    order = _order(data)
    entries, following = _directory(data, order)
    data += b"\0" * (len(data) % 2)
    own = b"".join(
        [
            _TAG.to_bytes(2, order),
            _BYTES.to_bytes(2, order),
            len(packet).to_bytes(4, order),
            len(data).to_bytes(4, order),
        ]
    )
    kept = [entry for entry in entries if int.from_bytes(entry[:2], order) != _TAG]
    ordered = sorted([*kept, own], key=lambda entry: int.from_bytes(entry[:2], order))
    data += packet + b"\0" * (len(packet) % 2)
    directory = len(ordered).to_bytes(2, order) + b"".join(ordered) + following
    return data[:4] + len(data).to_bytes(4, order) + data[8:] + directory


def _order(data: bytes) -> Literal["little", "big"]:
    return "little" if data[:2] == b"II" else "big"


def _directory(data: bytes, order: Literal["little", "big"]) -> tuple[list[bytes], bytes]:
    """The entries of the first directory, and where the next one is, as bytes."""
    start = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[start : start + 2], order)
    end = start + 2 + count * _ENTRY
    if start < 8 or count == 0 or end + 4 > len(data):
        raise ValueError("its first directory is damaged")
    entries = [data[place : place + _ENTRY] for place in range(start + 2, end, _ENTRY)]
    return entries, data[end : end + 4]
