"""The corpus of protected works: a folder of pictures and a `references.csv` that says whose they are."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from twig_assets.settings.bounded import problems_of
from twig_assets.similarity.corpus.decode import DecodeError, decode_views, read_file, suffix_note
from twig_assets.similarity.corpus.files import LEADS_OUT, READ_ALREADY, files_below, leads_out, shown
from twig_assets.similarity.corpus.sizes import WORK_SIDE, reduced

TABLE = "references.csv"
MAX_TABLE = 256 << 20
"""A table of more bytes is not read: one of a million works has a hundred million."""

COLUMNS = ("file", "title", "rights_holder", "licence")
NOT_STATED = "not stated"
BLANK = "shows one colour only, so that nothing can be compared with it; replace it, or take it out"
_IGNORED_SUFFIXES = {".md", ".txt", ".csv"}


class CorpusError(ValueError):
    """A corpus whose table cannot be used; one line per problem."""


class EmptyCorpusError(CorpusError):
    """A corpus without a single readable picture: nothing could be audited against it."""


@dataclass(frozen=True, eq=False)
class ReferenceImage:
    """A protected work, or one view of it: a frame, or what it looks like on a ground.

    Attributes:
        path: The picture's file.
        title: What it is called.
        rights_holder: Whose it is.
        licence: Under which licence, if any, it may be used.
        sha256: Hash of the file.
        pixels: uint8 array of shape (h, w, 3) at the picture's own size.
        view: Which view it is, such as `frame 3, on black`; empty for a plain picture.
        notes: What was done to the work while decoding, in words.
    """

    path: Path
    title: str
    rights_holder: str
    licence: str
    sha256: str
    pixels: np.ndarray
    view: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A file of the corpus that is not compared with, or not wholly, and why.

    Attributes:
        path: Where it is.
        reason: Why it is not compared with.
        duplicate: Whether that is because another file with the same content is.
        sha256: Hash of its content; None if it could not be read.
    """

    path: Path
    reason: str
    duplicate: bool = False
    sha256: str | None = None


class ReadWork(NamedTuple):
    """What a file of the corpus gave.

    Attributes:
        views: Its views; empty if it is not compared with.
        unreadable: What could not be read of it, or that the same content was read before.
    """

    views: list[ReferenceImage]
    unreadable: list[Unreadable]


@dataclass(frozen=True)
class CorpusFile:
    """A file of the corpus that has not been read yet.

    Attributes:
        path: Where it is.
        title: What the work is called; the file's name when the table does not say.
        rights_holder: Whose it is, or "not stated".
        licence: Under which licence, if any, it may be used, or "not stated".
        problem: Why there is nothing to read; None for most.
    """

    path: Path
    title: str
    rights_holder: str
    licence: str
    problem: str | None = None


def corpus_files(folder: Path, follow_links: bool = False) -> list[CorpusFile]:
    """What is below a folder of protected works or named by its table, in order of path; hidden files and notes not.

    Args:
        folder: The folder.
        follow_links: Whether links are followed that lead out of the folder.

    Raises:
        CorpusError: If `references.csv` cannot be used, with every problem as `file:line: field: what, what to do`.
        EmptyCorpusError: If the folder cannot be listed.
    """
    rows = _table(folder / TABLE)
    try:
        problems = {
            entry.path: entry.problem
            for entry in files_below(folder, follow_links)
            if not is_note(entry.path.relative_to(folder))
        }
    except OSError as error:
        hint = "no readable reference image; put the protected works there"
        raise EmptyCorpusError(f"{folder}: {error.strerror}: {hint}") from error
    root = Path(os.path.realpath(folder))
    for file in rows:
        outside = not follow_links and leads_out(folder / file, root)
        problems.setdefault(folder / file, LEADS_OUT if outside else None)
    return [_file(path, problem, rows, folder) for path, problem in sorted(problems.items(), key=_path_bytes)]


def stated_titles(folder: Path) -> list[str]:
    """The titles that a corpus' table gives, in order of file; none without a table.

    Raises:
        CorpusError: If `references.csv` cannot be used.
    """
    return [title for _, (title, _, _) in sorted(_table(folder / TABLE).items()) if title]


def read_references(folder: Path, follow_links: bool = False) -> tuple[list[ReferenceImage], list[Unreadable]]:
    """Read every picture below a folder, in all its views.

    A picture that `references.csv` does not name is compared with all the same; its rights holder is "not stated".
    Hidden files and notes (.md, .txt) are passed over.

    Args:
        folder: The folder.
        follow_links: Whether links are followed that lead out of the folder.

    Returns:
        The views of the readable pictures, in order of path, those of one picture together; see `decode_views`. And
        whatever else is there or ought to be, or could not be read wholly, each with the reason.

    Raises:
        CorpusError: If `references.csv` cannot be used, with every problem as `file:line: field: what, what to do`.
        EmptyCorpusError: If no picture could be read.
    """
    views: list[ReferenceImage] = []
    unreadable: list[Unreadable] = []
    for read in works_read(folder, follow_links):
        views += read.views
        unreadable += read.unreadable
    if not views:
        raise no_works(folder, unreadable)
    return views, unreadable


def works_read(folder: Path, follow_links: bool = False) -> Iterator[ReadWork]:
    """The works below a folder, one file after the other, so that no more than one has to be in memory.

    Args:
        folder: The folder.
        follow_links: Whether links are followed that lead out of the folder.

    Yields:
        What each file gave, in order of path; see `read_references`.

    Raises:
        CorpusError: If `references.csv` cannot be used.
        EmptyCorpusError: If the folder cannot be listed.
    """
    first: dict[str, Path] = {}
    for file in corpus_files(folder, follow_links):
        sha256 = None
        try:
            if file.problem:
                raise DecodeError("unreadable", file.problem)
            content = read_file(file.path)
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 in first:
                yield ReadWork([], [Unreadable(file.path, same_file(first[sha256]), duplicate=True, sha256=sha256)])
                continue
            views, missing = _views(file, content, sha256)
        except ValueError as error:
            yield ReadWork([], [Unreadable(file.path, str(error), file.problem == READ_ALREADY, sha256)])
        else:
            first[sha256] = file.path
            yield ReadWork(views, [Unreadable(file.path, not_wholly(reason), sha256=sha256) for reason in missing])


def no_works(folder: Path, unreadable: Iterable[Unreadable]) -> EmptyCorpusError:
    """The error for a folder without a work that can be read."""
    reasons = "".join(f"\n{shown(file.path)}: {file.reason}" for file in unreadable)
    return EmptyCorpusError(f"{folder}: no readable reference image; put the protected works there{reasons}")


def _views(file: CorpusFile, content: bytes, sha256: str) -> tuple[list[ReferenceImage], tuple[str, ...]]:
    """The views of a work, and why frames of it are missing."""
    decoded = decode_views(content, lambda pixels: reduced(pixels, WORK_SIDE))
    if decoded.blank:
        raise DecodeError("unsupported", BLANK)
    details = (file.title, file.rights_holder, file.licence)
    notes = suffix_note(file.path.suffix, decoded.format) + decoded.notes
    views = [ReferenceImage(file.path, *details, sha256, view.pixels, view.label, notes) for view in decoded.views]
    return views, decoded.missing


def not_wholly(reason: str) -> str:
    """What is said of a work of which a frame is missing, for the reason given."""
    return f"is not wholly compared with: {reason}"


def same_file(path: Path) -> str:
    """What is said of a second file with the same content."""
    return f"is the same file as {shown(path.name)}, which is compared with"


def is_note(path: Path) -> bool:
    """Whether a file of the corpus is hidden or a note, and so no protected work; path: below the corpus' folder."""
    return any(part.startswith(".") for part in path.parts) or path.suffix.lower() in _IGNORED_SUFFIXES


def corpus_version(sha256s: Iterable[str]) -> str:
    """SHA-256 of the sorted hashes, one per line: the same for the same set of works, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(sha256s))).encode()).hexdigest()


def _file(path: Path, problem: str | None, rows: dict[str, tuple[str, str, str]], folder: Path) -> CorpusFile:
    title, holder, licence = rows.get(path.relative_to(folder).as_posix(), ("", "", ""))
    return CorpusFile(path, title or shown(path.stem), holder or NOT_STATED, licence or NOT_STATED, problem)


def _path_bytes(entry: tuple[Path, str | None]) -> bytes:
    return os.fsencode(entry[0])


def _table(path: Path) -> dict[str, tuple[str, str, str]]:
    """File name -> title, rights holder, licence; empty when there is no table."""
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > MAX_TABLE:
            raise CorpusError(f"{path}: file: has more than {MAX_TABLE:,} bytes; is it the table of the works?")
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        header = reader.fieldnames or []
        if sorted(header) != sorted(COLUMNS):
            raise CorpusError(f"{path}:1: header: must be {','.join(COLUMNS)}, is {','.join(header)}; mend it")
        return _checked_rows(path, reader)
    except OSError as error:
        raise CorpusError(f"{path}: file: cannot be read ({error.strerror}); check that it is a file") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: file: is not UTF-8 text; save it again with that encoding") from error
    except csv.Error as error:
        raise CorpusError(f"{path}: row: is not valid CSV ({error}); check its double quotes") from error


def _checked_rows(path: Path, reader: csv.DictReader) -> dict[str, tuple[str, str, str]]:
    rows: dict[str, tuple[str, str, str]] = {}
    problems = []
    for row in reader:
        place = f"{path}:{reader.line_num}"
        if None in row or None in row.values():
            hint = "put a text that holds a comma in double quotes"
            problems.append(f"{place}: row: does not have {len(COLUMNS)} cells; {hint}")
            continue
        file = PurePosixPath(row["file"].strip())
        if not file.name or file.is_absolute() or ".." in file.parts:
            problems.append(f"{place}: file: {row['file']!r} is not a file below this folder; move it here")
        elif str(file) in rows:
            problems.append(f"{place}: file: {str(file)!r} is there twice; keep one row")
        problems += [f"{place}: {where[0]}: {what}" for where, what in problems_of(row)]
        rows[str(file)] = (row["title"].strip(), row["rights_holder"].strip(), row["licence"].strip())
    if problems:
        raise CorpusError("\n".join(problems))
    return rows
