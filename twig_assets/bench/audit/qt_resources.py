"""Read the pictures out of a Qt resource file, which is how gcompris-qt-data ships its photographs.

Source: the layout that Qt's resource compiler writes, qtbase/src/tools/rcc/rcc.cpp: after a header with the offsets of
tree, data and names, each entry of the data is its length, big-endian, and its bytes.
"""

import struct
from collections.abc import Iterator
from pathlib import Path


class ResourceFileError(ValueError):
    """A file is no Qt resource file; the message names it."""


def pictures(path: Path) -> Iterator[bytes]:
    """The WebP, PNG and JPEG files in a resource file, in order.

    Raises:
        ResourceFileError: If it is none.
    """
    content = path.read_bytes()
    if content[:4] != b"qres" or len(content) < 20:
        raise ResourceFileError(f"{path}: is no Qt resource file")
    tree, start, names = struct.unpack(">3I", content[8:20])
    end = min((offset for offset in (tree, names) if offset > start), default=len(content))
    while start + 4 <= end:
        (length,) = struct.unpack(">I", content[start : start + 4])
        entry = content[start + 4 : start + 4 + length]
        if entry[8:12] == b"WEBP" or entry.startswith((b"\x89PNG", b"\xff\xd8\xff")):
            yield entry
        start += 4 + length
