"""The corpus of protected works: a folder of pictures and a `references.csv` that says whose they are."""

import csv
import hashlib
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

TABLE = "references.csv"
COLUMNS = ("file", "title", "rights_holder", "licence")
NOT_STATED = "not stated"
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_IGNORED_SUFFIXES = {".md", ".txt", ".csv"}


class CorpusError(ValueError):
    """A corpus whose table cannot be used; one line per problem."""


class EmptyCorpusError(CorpusError):
    """A corpus without a single readable picture: nothing could be audited against it."""


@dataclass(frozen=True, eq=False)
class ReferenceImage:
    """A protected work.

    Attributes:
        path: The picture's file.
        title: What it is called.
        rights_holder: Whose it is.
        licence: Under which licence, if any, it may be used.
        sha256: Hash of the file.
        pixels: uint8 array of shape (h, w, 3) at the picture's own size.
    """

    path: Path
    title: str
    rights_holder: str
    licence: str
    sha256: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Unreadable:
    """A file of the corpus that is not compared with, and why."""

    path: Path
    reason: str


def read_references(folder: Path) -> tuple[list[ReferenceImage], list[Unreadable]]:
    """Read every picture below a folder.

    A picture that `references.csv` does not name is compared with all the same; its rights holder is "not stated".
    Hidden files and notes (.md, .txt) are passed over. Of an animation the first frame counts.

    Returns:
        The readable pictures in order of path, and whatever else is there or ought to be, each with the reason.

    Raises:
        CorpusError: If `references.csv` cannot be used, with every problem as `file:line: field: what, what to do`.
        EmptyCorpusError: If no picture could be read.
    """
    rows = _table(folder / TABLE)
    listed = {folder / file for file in rows}
    found = {path for path in folder.rglob("*") if path.is_file() and not _is_note(path.relative_to(folder))}
    references: dict[str, ReferenceImage] = {}
    unreadable = []
    for path in sorted(listed | found):
        try:
            content = path.read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 in references:
                raise ValueError(f"is the same file as {references[sha256].path.name}, which is compared with")
            title, holder, licence = rows.get(path.relative_to(folder).as_posix(), ("", "", ""))
            details = (title or path.stem, holder or NOT_STATED, licence or NOT_STATED)
            references[sha256] = ReferenceImage(path, *details, sha256, decode(content))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            unreadable.append(Unreadable(path, reason))
    if not references:
        told = "".join(f"\n{one.path}: {one.reason}" for one in unreadable)
        raise EmptyCorpusError(f"{folder}: no readable reference image; put the protected works there{told}")
    return list(references.values()), unreadable


def corpus_version(sha256s: Iterable[str]) -> str:
    """SHA-256 of the sorted hashes, one per line: the same for the same set of works, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(sha256s))).encode()).hexdigest()


def decode(content: bytes) -> np.ndarray:
    """Decode an image file as a person would see it on white paper.

    The EXIF orientation is applied, transparency laid on white, 16-bit grey reduced to 8 bits.

    Returns:
        uint8 array of shape (h, w, 3).

    Raises:
        ValueError: If the file is not an image of a known format, is damaged, or has more pixels than Pillow
            considers safe to unpack (about 89 million).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
                opened.load()
                return np.asarray(_on_white(ImageOps.exif_transpose(opened)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"has too many pixels to unpack safely ({error}); reduce its size") from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"is not an image of a known format; convert it to one of {', '.join(_FORMATS)}") from error
    except Exception as error:  # a decoder raises whatever it trips over in a damaged file
        raise ValueError(f"is damaged ({error}); get the file again") from error


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257 + 0.5).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("holds floating point values, whose white is not known; convert it to PNG")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _is_note(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.suffix.lower() in _IGNORED_SUFFIXES


def _table(path: Path) -> dict[str, tuple[str, str, str]]:
    """File name -> title, rights holder, licence; empty when there is no table."""
    if not path.exists():
        return {}
    try:
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        header = reader.fieldnames or []
        if sorted(header) != sorted(COLUMNS):
            raise CorpusError(f"{path}:1: header: must be {','.join(COLUMNS)}, is {','.join(header)}; mend it")
        return _checked_rows(path, reader)
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
        rows[str(file)] = (row["title"].strip(), row["rights_holder"].strip(), row["licence"].strip())
    if problems:
        raise CorpusError("\n".join(problems))
    return rows
