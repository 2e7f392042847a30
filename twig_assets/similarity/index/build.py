"""Building an index from works' files, adding to it and removing from it."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.engines import Context, Copy, Engine, Shard
from twig_assets.similarity.corpus.decode import DecodeError, read_file
from twig_assets.similarity.corpus.files import READ_ALREADY, shown
from twig_assets.similarity.corpus.references import (
    NOT_STATED,
    TABLE,
    CorpusFile,
    EmptyCorpusError,
    corpus_files,
    is_note,
    same_file,
)
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.index.describe import (
    DescribedView,
    DescribedWork,
    check_identities,
    described_file,
    identities,
    rows_of,
    vector_lengths,
)
from twig_assets.similarity.index.manifest import CorpusIndexError, UnreadWork, read_manifest
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.segment import MAX_ROWS
from twig_assets.similarity.index.writer import IndexWriter
from twig_assets.similarity.versions import SCORING

SAVED_EVERY = 1024
"""Views that are described between two savings; an interrupted build goes on from the last with `twig index add`."""

_SHARD = 16

ADDED_AT_ONCE = 8192
"""A few works that are added cause no merge of more rows."""


@dataclass
class Changes:
    """What happened to the works of some files.

    Attributes:
        added: How many the index did not have.
        known: How many it had.
        duplicates: Names of files with the content of another one.
        unread: Files that could not be read, or not wholly.
        removed: How many were taken out.
    """

    added: int = 0
    known: int = 0
    duplicates: list[str] = field(default_factory=list)
    unread: list[UnreadWork] = field(default_factory=list)
    removed: int = 0


@dataclass(frozen=True)
class Elsewhere:
    """Where works are described, if that is not this process.

    Attributes:
        engine: What describes them; the works' files have to be within reach of its workers.
        thresholds: Those of the policy that the detectors were opened for.
        copies: What workers copy to their machine before.
    """

    engine: Engine
    thresholds: Mapping[str, Any]
    copies: tuple[Copy, ...] = ()


def build_index(
    folder: Path,
    files: Sequence[CorpusFile],
    sources: Sequence[Source],
    step: Callable[[int, int], None],
    elsewhere: Elsewhere | None = None,
) -> Changes:
    """Make an index of works.

    Args:
        folder: Where; there is no index yet.
        files: The works' files.
        sources: Opened detectors, see `opened_sources`.
        step: Called with the number of files read and of all.
        elsewhere: Who describes the works; this process if it is not given. The index is the same.

    Raises:
        CorpusIndexError: If there is an index, or it cannot be written.
        EmptyCorpusError: If no work could be read; then there is an index without works.
    """
    with IndexWriter(folder, SCORING, vector_lengths(sources), identities(sources)) as writer:
        changes = _add(writer, files, sources, step, elsewhere)
    if not changes.added:
        raise _no_works(folder, changes)
    return changes


def add_works(
    folder: Path,
    files: Sequence[CorpusFile],
    sources: Sequence[Source],
    step: Callable[[int, int], None],
    elsewhere: Elsewhere | None = None,
) -> Changes:
    """Add works to an index; those that it has are left as they are. See `build_index`.

    Raises:
        CorpusIndexError: If there is no index, its descriptors are others, or it cannot be written.
    """
    manifest = read_manifest(folder, SCORING)
    lengths = manifest.vectors
    if lengths != vector_lengths(sources):
        has, given = (", ".join(sorted(names)) for names in (lengths, vector_lengths(sources)))
        raise CorpusIndexError(
            f"{folder}: describes works by {has}, the policy by {given}; give the policy it was built with"
        )
    check_identities(folder, manifest, sources)
    with IndexWriter(folder, SCORING) as writer:
        return _add(writer, files, sources, step, elsewhere)


def keep_in_line(
    folder: Path, files: Sequence[CorpusFile], sources: Sequence[Source], step: Callable[[int, int], None]
) -> Changes:
    """Let an index hold the works of these files and no others, under the names that they have now.

    Only works that it lacks are described. An index that these sources cannot use is made again.

    Args:
        folder: The index, which need not exist.
        files: The works' files.
        sources: Opened detectors, see `opened_sources`.
        step: Called with the number of files read and of all.

    Raises:
        CorpusIndexError: If it cannot be written, or another process changes it.
        EmptyCorpusError: If no work could be read.
    """
    if not _is_usable(folder, sources):
        shutil.rmtree(folder, ignore_errors=True)
        return build_index(folder, files, sources, step)
    with IndexWriter(folder, SCORING) as writer:
        changes, present = Changes(), _Adding(writer)
        _add_all(present, files, sources, step, changes)
        changes.removed = writer.keep_only(present.hashes)
        writer.forget_unread(present.hashes)
        again = _renamed(folder, {sha256: present.file(sha256) for sha256 in present.hashes})
        if again:
            writer.remove(again)
            _add_all(_Adding(writer), [present.file(sha256) for sha256 in again], sources, _unseen, changes)
        writer.note_unread(changes.unread)
        writer.merge(MAX_ROWS if len(files) > SAVED_EVERY else ADDED_AT_ONCE)
    if not CorpusIndex(folder).sha256s:
        raise _no_works(folder, changes)
    return changes


def remove_works(folder: Path, named: Iterable[str]) -> Changes:
    """Take works out of an index.

    Args:
        folder: The index.
        named: Hashes of works, or paths of files, which need not exist any more, as the index knows them.

    Raises:
        CorpusIndexError: If it has no such work; then nothing is removed.
    """
    with IndexWriter(folder, SCORING) as writer:
        index = CorpusIndex(folder)
        texts = [index.text(row) for row in range(len(index)) if not index.removed[row]]
        by_name: dict[str, set[str]] = {}
        for text in texts:
            for name in (text.sha256, text.path):
                by_name.setdefault(name, set()).add(text.sha256)
        unread = {work.path for work in writer.manifest.unread}
        sha256s, no_longer_unread = set(), set()
        for name in named:
            path = str(Path(name).resolve())
            found = by_name.get(name) or by_name.get(path)
            if found is None and shown(path) not in unread:
                raise CorpusIndexError(f"{name}: is no work of {folder}; name its file or its SHA-256")
            sha256s |= found or set()
            no_longer_unread.add(shown(path))
        removed = writer.remove(sorted(sha256s))
        writer.note_unread([], no_longer_unread)
        return Changes(removed=removed)


def works_in(paths: Sequence[Path]) -> list[CorpusFile]:
    """The works of some folders, each perhaps with a `references.csv`, and single files.

    Raises:
        CorpusError: If a table cannot be used.
        EmptyCorpusError: If a folder cannot be listed.
    """
    files: dict[Path, CorpusFile] = {}
    for path in paths:
        found = corpus_files(path.resolve()) if path.is_dir() else [_single(path.resolve())]
        files |= {file.path: file for file in found}
    return list(files.values())


def _single(path: Path) -> CorpusFile:
    """One file, named by the table in its folder if there is one."""
    if (path.parent / TABLE).exists() and not is_note(Path(path.name)):
        for file in corpus_files(path.parent):
            if file.path == path:
                return file
    return CorpusFile(path, shown(path.stem), NOT_STATED, NOT_STATED)


def _add(
    writer: IndexWriter,
    files: Sequence[CorpusFile],
    sources: Sequence[Source],
    step: Callable[[int, int], None],
    elsewhere: Elsewhere | None,
) -> Changes:
    changes, adding = Changes(), _Adding(writer)
    _add_all(adding, files, sources, step, changes, elsewhere)
    writer.note_unread(changes.unread, adding.read)
    writer.merge(MAX_ROWS if len(files) > SAVED_EVERY else ADDED_AT_ONCE)
    return changes


def _add_all(
    adding: "_Adding",
    files: Sequence[CorpusFile],
    sources: Sequence[Source],
    step: Callable[[int, int], None],
    changes: Changes,
    elsewhere: Elsewhere | None = None,
) -> None:
    """Add those of the files that are missing, and note what happens to all of them."""
    for start in range(0, len(files), SAVED_EVERY):
        batch = files[start : start + SAVED_EVERY]
        missing = adding.missing(batch, changes)
        step(start + len(batch) - len(missing), len(files))
        for count, (file, work) in enumerate(_described(missing, sources, elsewhere), 1):
            adding.take(file, work, changes)
            step(start + len(batch) - len(missing) + count, len(files))
    adding.note_again(changes)
    adding.save()


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""


def _no_works(folder: Path, changes: Changes) -> EmptyCorpusError:
    reasons = "".join(f"\n{work.path}: {work.reason}" for work in changes.unread)
    return EmptyCorpusError(f"{folder}: none of the works could be read; put pictures there{reasons}")


def _is_usable(folder: Path, sources: Sequence[Source]) -> bool:
    try:
        manifest = CorpusIndex(folder).manifest
        check_identities(folder, manifest, sources)
    except CorpusIndexError:
        return False
    return manifest.vectors == vector_lengths(sources)


def _renamed(folder: Path, files: Mapping[str, CorpusFile]) -> list[str]:
    """Of works, by their hashes, those of which the index says something else than their files do."""
    index, found = CorpusIndex(folder), set()
    for row in np.flatnonzero(~index.removed).tolist():
        text = index.text(row)
        file = files[text.sha256]
        said = text.path, text.title, text.rights_holder, text.licence
        if said != (str(file.path), file.title, file.rights_holder, file.licence):
            found.add(text.sha256)
    return sorted(found)


def _described(
    files: Sequence[CorpusFile], sources: Sequence[Source], elsewhere: Elsewhere | None
) -> Iterator[tuple[CorpusFile, DescribedWork]]:
    """The files in order, each with what there is to say of it."""
    if elsewhere is None:
        yield from ((file, described_file(file, sources)) for file in files)
        return
    parts = [files[start : start + _SHARD] for start in range(0, len(files), _SHARD)]
    shards = [Shard(f"{shown(part[0].path)} and what follows", part) for part in parts]
    context = Context(opened_sources, dict(elsewhere.thresholds), elsewhere.copies)
    with closing(elsewhere.engine.map(_described_files, shards, context)) as described:
        for part, works in zip(parts, described, strict=True):
            yield from zip(part, works, strict=True)


def _described_files(sources: Sequence[Source], files: Sequence[CorpusFile]) -> list[DescribedWork]:
    return [described_file(file, sources) for file in files]


def _hash_of(file: CorpusFile, changes: Changes) -> str | None:
    """The hash of a work's file; None if it cannot be read, which is noted."""
    try:
        if file.problem:
            raise DecodeError("unreadable", file.problem)
        return hashlib.sha256(read_file(file.path)).hexdigest()
    except DecodeError as error:
        if file.problem == READ_ALREADY:
            changes.duplicates.append(f"{shown(file.path)} {READ_ALREADY}")
        else:
            changes.unread.append(UnreadWork(path=shown(file.path), reason=str(error)))
        return None


class _Adding:
    """Works on their way into an index.

    Attributes:
        read: The files that were described.
    """

    def __init__(self, writer: IndexWriter) -> None:
        self._writer = writer
        self._views: list[DescribedView] = []
        self._first: dict[str, CorpusFile] = {}
        self._again: list[tuple[CorpusFile, CorpusFile]] = []
        self.read: list[str] = []

    @property
    def hashes(self) -> set[str]:
        """The hashes of all files that were there."""
        return set(self._first)

    def file(self, sha256: str) -> CorpusFile:
        """The first of the files with this content."""
        return self._first[sha256]

    def missing(self, files: Sequence[CorpusFile], changes: Changes) -> list[CorpusFile]:
        """Those files that the index does not have, and that are not twice among those that were asked for."""
        hashes = {file.path: sha256 for file in files if (sha256 := _hash_of(file, changes))}
        known, missing = self._writer.known(hashes.values()), []
        for file in files:
            sha256 = hashes.get(file.path)
            if sha256 is None:
                continue
            if sha256 in self._first:
                self._again.append((file, self._first[sha256]))
                continue
            self._first[sha256] = file
            if sha256 in known:
                changes.known += 1
            else:
                missing.append(file)
        return missing

    def take(self, file: CorpusFile, work: DescribedWork, changes: Changes) -> None:
        """Take a work that was described, and save what there is if it is enough."""
        changes.unread += work.unread
        if not work.views:
            return
        changes.added += 1
        self.read.append(shown(file.path))
        self._views += work.views
        if len(self._views) >= SAVED_EVERY:
            self.save()

    def note_again(self, changes: Changes) -> None:
        """Note the files that have the content of one before: duplicates, or unread like that one.

        Two works of which nothing arrived are two works, and mending the one does not mend the other.
        """
        unread: dict[str, list[UnreadWork]] = {}
        for work in changes.unread:
            unread.setdefault(work.path, []).append(work)
        for file, first in self._again:
            reasons = unread.get(shown(first.path))
            if reasons is None:
                changes.duplicates.append(f"{shown(file.path)} {same_file(first.path)}")
            else:
                changes.unread += [work.model_copy(update={"path": shown(file.path)}) for work in reasons]

    def save(self) -> None:
        """Put what was described into the index, as a segment."""
        if self._views:
            self._writer.add(rows_of(self._views))
            self._views = []
