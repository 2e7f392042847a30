"""Which files an index consists of: one small file that is replaced whole, so an index is the old or the new one."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from twig_assets.files import write_whole

MANIFEST = "manifest.json"
FORMAT = 1
"""Raised when the files of an index change."""


class CorpusIndexError(RuntimeError):
    """An index that cannot be used or changed; the message names the file and says what to do."""


class StoredFile(BaseModel):
    """A file that is never changed.

    Attributes:
        bytes: Its size.
        sha256: Its hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: str


class SegmentEntry(BaseModel):
    """A segment: descriptions of some works, written once.

    Attributes:
        name: Its folder, below the index.
        rows: Views of works in it, those of removed works included.
        files: Name of each file in it.
        removed: The file beside it that lists the rows of removed works; None if none was removed.
        removed_rows: How many these are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    files: dict[str, StoredFile]
    removed: str | None = None
    removed_rows: int = 0

    @property
    def size(self) -> int:
        """Bytes on disk; a file with holes counts whole."""
        return sum(file.bytes for file in self.files.values())


class UnreadWork(BaseModel):
    """A work that the index lacks, or of which it lacks a frame.

    Attributes:
        path: Its file.
        reason: Why.
        sha256: Hash of the file if the index has the rest of it, else None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    reason: str
    sha256: str | None = None


class Manifest(BaseModel):
    """An index at one moment.

    Attributes:
        format: FORMAT of the program that wrote it.
        scoring: Version of the descriptors, see `similarity.audit.SCORING`.
        sequence: Raised by every change.
        vectors: Names of the descriptors that are searched by cosine -> how many numbers each has.
        identities: Name of each -> what made it, such as the hash of a network.
        segments: In order of rows.
        unread: What the audit has to call incomplete.
        recall: The last sampled comparison with all works, see `check`; empty before the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    scoring: str
    sequence: int = 0
    vectors: dict[str, int]
    identities: dict[str, str] = {}
    segments: tuple[SegmentEntry, ...] = ()
    unread: tuple[UnreadWork, ...] = ()
    recall: dict[str, float] = {}

    @property
    def rows(self) -> int:
        """Views of works, those of removed works left out."""
        return sum(segment.rows - segment.removed_rows for segment in self.segments)


def read_manifest(folder: Path, scoring: str) -> Manifest:
    """The manifest of an index.

    Args:
        folder: The index.
        scoring: The version of the descriptors that the index must have.

    Raises:
        CorpusIndexError: If there is none, it cannot be read, or it was written by another version.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CorpusIndexError(f"{folder}: is no index; make one with twig index build") from error
    except OSError as error:
        raise CorpusIndexError(f"{path}: cannot be read ({error.strerror}); check that it may be read") from error
    except ValidationError as error:
        raise CorpusIndexError(f"{path}: is no manifest of an index; build the index again") from error
    if (manifest.format, manifest.scoring) != (FORMAT, scoring):
        raise CorpusIndexError(f"{folder}: was made by another version of the descriptors; build the index again")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the present one; what it names is on disk before it is.

    Raises:
        CorpusIndexError: If it cannot be written; then the old one stays.
    """
    try:
        write_whole(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n", durable=True)
        sync_folder(folder)
    except OSError as error:
        raise CorpusIndexError(f"{folder}: cannot be written ({error.strerror}); free some space") from error


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
