"""Every file below a folder, whatever its name, and whatever there could not be looked into."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEADS_OUT = "is a link that leads out of the folder and is not followed; copy the file here, or let links be followed"
"""The problem of a link whose target lies elsewhere: a folder that was handed over should hold what is looked at."""

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


def files_below(folder: Path, follow_links: bool = False) -> list[Found]:
    """Everything below a folder but the folders themselves, in order of path.

    Links to folders are followed, each folder once. Listed with a problem are a link back to a folder that is read
    already, a link that leads out, folders that may not be entered, dead links, and things like pipes, which are never
    opened.

    Args:
        folder: The folder, which may itself be a link.
        follow_links: Whether links are followed that lead out of the folder.

    Raises:
        OSError: If the folder itself cannot be listed.
    """
    os.scandir(folder).close()
    root = None if follow_links else Path(os.path.realpath(folder))
    return sorted(_walk(folder, root, set()), key=lambda entry: os.fsencode(entry.path))


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path leads, by links, to what does not lie below a folder without links."""
    return not Path(os.path.realpath(path)).is_relative_to(root)


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


def _walk(folder: Path, root: Path | None, entered: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            yield Found(folder, READ_ALREADY)
            return
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            # Real folders first, so that of a folder and a link to it the folder itself is read.
            entries = sorted((entry.is_symlink(), os.fsencode(entry.name), entry.name) for entry in listing)
    except OSError as error:
        yield Found(folder, f"{error.strerror}; the folder's files are not read")
        return
    for is_link, _, name in entries:
        if is_link and root is not None and os.path.exists(folder / name) and leads_out(folder / name, root):
            yield Found(folder / name, LEADS_OUT)
        else:
            yield from _entry(folder / name, root, entered)


def _entry(path: Path, root: Path | None, entered: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield Found(path, "is a link to nothing")
    except OSError as error:
        yield Found(path, str(error.strerror))
    else:
        if stat.S_ISDIR(mode):
            yield from _walk(path, root, entered)
        else:
            yield Found(path, None if stat.S_ISREG(mode) else "is not a regular file")
