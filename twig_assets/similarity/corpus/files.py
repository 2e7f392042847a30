"""Every file below a folder, whatever its name, and whatever there could not be looked into."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ_ALREADY = "is a link to a folder that is read already; not read twice"
"""The problem of a link back to a folder: its files are read under another name."""


@dataclass(frozen=True)
class Found:
    """Something below a folder.

    Attributes:
        path: Where it is. Bytes of its name that are not UTF-8 are surrogates, as everywhere in Python.
        problem: Why it cannot be read as a file; None for a file.
    """

    path: Path
    problem: str | None = None


def files_below(folder: Path) -> list[Found]:
    """Everything below a folder but the folders themselves, in order of path.

    Links to folders are followed, each folder once. Listed with a problem are a link back to a folder that is read
    already, folders that may not be entered, dead links, and things like pipes, which are never opened.

    Raises:
        OSError: If the folder itself cannot be listed.
    """
    os.scandir(folder).close()
    return sorted(_walk(folder, set()), key=lambda entry: os.fsencode(entry.path))


def shown(path: Path | str) -> str:
    r"""A name as text that can be printed, stored and distinguished: odd characters and a backslash become \xNN or \\.

    >>> print(shown("two\nlines\udcff.png"))
    two\x0alines\xff.png
    """
    return "".join(_shown(character) for character in str(path))


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\":
        return "\\\\"
    if character == " " or character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _walk(folder: Path, entered: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            yield Found(folder, READ_ALREADY)
            return
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            # Real folders first, so that of a folder and a link to it the folder itself is read.
            entries = sorted(listing, key=lambda entry: (entry.is_symlink(), os.fsencode(entry.name)))
    except OSError as error:
        yield Found(folder, f"{error.strerror}; the folder's files are not read")
        return
    for entry in entries:
        yield from _entry(folder / entry.name, entered)


def _entry(path: Path, entered: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield Found(path, "is a link to nothing")
    except OSError as error:
        yield Found(path, str(error.strerror))
    else:
        if stat.S_ISDIR(mode):
            yield from _walk(path, entered)
        else:
            yield Found(path, None if stat.S_ISREG(mode) else "is not a regular file")
