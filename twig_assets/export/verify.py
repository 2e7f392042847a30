"""Checking an export without the catalog: what was changed in it, what is missing, and what was added."""

import csv
import hashlib
import io
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from twig_assets.catalog.hashing import CHUNK_BYTES
from twig_assets.export.manifest import Manifest, as_csv
from twig_assets.export.sums import SUMS, parsed

MANIFEST, TABLE = "manifest.json", "manifest.csv"
_NAMES = ("file", "sha256", "image_sha256", "prompt")
_LARGEST_TEXT = 1 << 30


class VerifyError(ValueError):
    """What was named is not an export that could be checked; the message says why."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was exported.

    Attributes:
        file: Its path in the export.
        what: `changed`, `missing`, `added`, or a sentence.
    """

    file: str
    what: str


def verify_export(place: Path, seal: str | None = None) -> list[Problem]:
    """Everything that is not as it was exported, in order of path; empty if all is.

    Args:
        place: The export's folder, or its zip.
        seal: The hash of SHA256SUMS that `twig export` printed. Without it, somebody who changed an image could have
            changed the list of hashes as well.

    Raises:
        VerifyError: If there is no such export, its list of hashes cannot be read, or its manifest says nothing.
        OSError: If a file cannot be read.
    """
    with _opened(place) as files:
        if not files.found.get(SUMS):
            raise VerifyError(f"{place}: has no {SUMS}, so it is not an export, or not a whole one")
        sums = files.read(SUMS)
        problems = [Problem(SUMS, "changed")] if seal and hashlib.sha256(sums).hexdigest() != seal.lower() else []
        try:
            expected = parsed(sums.decode())
        except ValueError as error:
            raise VerifyError(f"{place}: {SUMS}: {error}") from error
        problems += [Problem(file, "missing") for file in expected.keys() - files.found.keys()]
        problems += [Problem(file, "added") for file in files.found.keys() - expected.keys() - {SUMS}]
        for file in expected.keys() & files.found.keys():
            if not files.found[file] or files.sha256(file) != expected[file]:
                problems.append(Problem(file, "changed"))
        problems += _against_manifest(files, expected)
    return sorted(problems, key=lambda problem: (problem.file, problem.what))


def _against_manifest(files: "_Files", expected: dict[str, str]) -> Iterator[Problem]:
    """What hashes and manifest say of each other: both come from one export."""
    if not files.found.get(MANIFEST):
        if MANIFEST not in expected:
            yield Problem(MANIFEST, "missing")
        return
    try:
        manifest = Manifest.model_validate_json(files.read(MANIFEST))
    except ValidationError:
        yield Problem(MANIFEST, "cannot be read as the manifest of an export")
        return
    listed = {entry.file: entry.sha256 for entry in manifest.images}
    for file, sha256 in listed.items():
        if expected.get(file) != sha256:
            yield Problem(file, f"is not the image that {MANIFEST} names")
    for file in expected:
        if file.startswith("images/") and file not in listed:
            yield Problem(file, f"is not named by {MANIFEST}")
    as_it_was = files.found.get(TABLE) and files.sha256(TABLE) == expected.get(TABLE)
    if as_it_was and _rows(files.read(TABLE)) != _rows(as_csv(manifest.images, _NAMES).encode()):
        yield Problem(TABLE, f"names other images than {MANIFEST}")


def _rows(table: bytes) -> list[tuple[str | None, ...]]:
    """What a table says of which images there are; of one that is none, nothing."""
    try:
        return [
            tuple(row.get(name) for name in _NAMES) for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig")))
        ]
    except (UnicodeDecodeError, csv.Error):
        return []


class _Files(ABC):
    """The files of an export.

    Attributes:
        found: Path of each -> whether it is a plain file that can be read; links and the like are not.
    """

    found: dict[str, bool]

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    @abstractmethod
    def pieces(self, file: str) -> Iterator[bytes]:
        """The content of a file."""

    def sha256(self, file: str) -> str:
        """Hash of a file."""
        digest = hashlib.sha256()
        for piece in self.pieces(file):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, file: str) -> bytes:
        """A file that must fit into memory."""
        content = b""
        for piece in self.pieces(file):
            content += piece
            if len(content) > _LARGEST_TEXT:
                raise VerifyError(f"{file}: is larger than {_LARGEST_TEXT >> 20} MiB, which no export's is")
        return content


class _Folder(_Files):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found = {}
        for parent, folders, names in os.walk(folder):
            # A link to a folder is not walked into, and was not there when it was exported.
            names += [name for name in folders if (Path(parent) / name).is_symlink()]
            for path in (Path(parent) / name for name in names):
                self.found[path.relative_to(folder).as_posix()] = path.is_file() and not path.is_symlink()

    def pieces(self, file: str) -> Iterator[bytes]:
        with (self._folder / file).open("rb") as opened:
            while piece := opened.read(CHUNK_BYTES):
                yield piece


class _Zip(_Files):
    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise VerifyError(f"{path}: is neither a folder nor a zip that can be read") from error
        names = [info.filename for info in self._archive.infolist() if not info.is_dir()]
        top = f"{names[0].split('/')[0]}/" if names else ""
        self._prefix = top if names and all(name.startswith(top) for name in names) else ""
        if len(set(names)) < len(names):
            raise VerifyError(f"{path}: has two files of one name, which no export's zip has")
        self.found = {name.removeprefix(self._prefix): True for name in names}

    def __exit__(self, *error: object) -> None:
        self._archive.close()

    def pieces(self, file: str) -> Iterator[bytes]:
        try:
            with self._archive.open(self._prefix + file) as opened:
                while piece := opened.read(CHUNK_BYTES):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
            # It is damaged, or locked, or packed in another way, so it is not as it was written either.
            yield b"\0damaged"


def _opened(place: Path) -> _Files:
    if place.is_dir():
        return _Folder(place)
    if place.is_file():
        return _Zip(place)
    raise VerifyError(f"{place}: there is no such folder")
