"""The protected works of a folder audit: squeezed on disk, and read again at their own size one at a time."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.folder_audit.work import RECORD, SIDE, ReferenceRow, WorkError, WorkFolder, WorkReader
from twig_assets.similarity.corpus.decode import DecodeError, decode_view, decode_views, read_file, suffix_note
from twig_assets.similarity.corpus.described import Described
from twig_assets.similarity.corpus.files import READ_ALREADY, shown
from twig_assets.similarity.corpus.references import (
    BLANK,
    CorpusFile,
    EmptyCorpusError,
    ReferenceImage,
    corpus_files,
    corpus_version,
    not_wholly,
    same_file,
)
from twig_assets.similarity.corpus.sizes import WORK_SIDE, reduced, squeezed
from twig_assets.similarity.corpus.views import drawings
from twig_assets.similarity.detectors.gradient_histograms import hog
from twig_assets.similarity.detectors.pdq import pdq

LOCAL_UP_TO = 2000
"""Up to this many views of works, candidates are also sought by local features, which take 0.25 MB a view."""

_KEPT_BYTES = 256 << 20
_BATCH = 256


@dataclass(frozen=True)
class Work:
    """A protected work that images are compared with.

    Attributes:
        file: Its file.
        name: The file's path below the folder, printable.
        views: What is compared with, one at least.
    """

    file: CorpusFile
    name: str
    views: tuple[ReferenceRow, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to it while decoding."""
        return self.views[0].notes

    @property
    def missing(self) -> tuple[str, ...]:
        """Frames that nothing is compared with, each with the reason."""
        return self.views[0].missing


@dataclass(frozen=True)
class NotCompared:
    """A file of the corpus that nothing is compared with, and why.

    Attributes:
        name: Its path below the folder, printable.
        reason: Why nothing is compared with it.
        duplicate: Whether that is because the same content is compared with under another name.
    """

    name: str
    reason: str
    duplicate: bool = False


class Corpus:
    """The works of one run.

    Attributes:
        works: Hash of the file -> work, in order of path.
        not_compared: What else is in the folder or the table.
        version: The corpus version, see `corpus_version`.
    """

    def __init__(self, works: dict[str, Work], not_compared: list[NotCompared]) -> None:
        """Hold the works; none of their pictures is read before it is asked for."""
        self.works = works
        self.not_compared = not_compared
        self.version = corpus_version(works)
        self._kept: OrderedDict[str, ReferenceImage] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        # What it keeps in memory, another process can make for itself.
        return {"works": self.works, "not_compared": self.not_compared, "version": self.version}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _kept=OrderedDict())

    @cached_property
    def by_row(self) -> dict[int, ReferenceRow]:
        """Row of the work folder -> the view of a work that it holds."""
        return {view.row: view for protected in self.works.values() for view in protected.views}

    @cached_property
    def by_key(self) -> Mapping[str, ReferenceRow]:
        """Key of a view -> the view."""
        return {view.key: view for view in self.by_row.values()}

    @property
    def unread(self) -> list[NotCompared]:
        """What makes an audit incomplete: files that nothing was compared with, and works of which frames were not."""
        partly = [
            NotCompared(protected.name, not_wholly(missing))
            for protected in self.works.values()
            for missing in protected.missing
        ]
        return [file for file in self.not_compared if not file.duplicate] + partly

    @property
    def noted(self) -> list[Work]:
        """Works of which there is something to say."""
        return [work for work in self.works.values() if work.notes]

    @property
    def has_local_features(self) -> bool:
        """Whether the corpus is small enough to keep the local features of all works in memory."""
        return len(self.by_row) <= LOCAL_UP_TO

    def picture(self, view: ReferenceRow) -> ReferenceImage:
        """A view of a work with its pixels, at most WORK_SIDE on either side.

        Raises:
            WorkError: If the work's file is not what it was when the run began.
        """
        if view.key in self._kept:
            self._kept.move_to_end(view.key)
            return self._kept[view.key]
        reference = replace(self.named(view), pixels=self._read(view))
        self._kept[view.key] = reference
        while sum(kept.pixels.nbytes for kept in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return reference

    def _read(self, view: ReferenceRow) -> np.ndarray:
        work = self.works[view.sha256]
        content = _content(work)
        if hashlib.sha256(content).hexdigest() != view.sha256:
            raise WorkError(f"{work.name}: has changed since the run began; run the same command again")
        return decode_view(content, view.label, lambda pixels: reduced(pixels, WORK_SIDE)).pixels

    def searched(self, picture: np.ndarray, described: Described) -> list[ReferenceRow] | None:
        """The views worth a closer look for an image, where an index says so; None where works are compared with all.

        Args:
            picture: uint8 (h, w, 3).
            described: Its descriptions.
        """
        return None

    def named(self, view: ReferenceRow) -> ReferenceImage:
        """A view of a work without its pixels."""
        work = self.works[view.sha256]
        file, nothing = work.file, np.zeros((0, 0, 3), np.uint8)
        details = (file.title, file.rights_holder, file.licence)
        return ReferenceImage(file.path, *details, view.sha256, nothing, view.label, work.notes)

    def drawings(self, work: Work, reader: WorkReader) -> list[ReferenceRow]:
        """Views that differ clearly, see `drawings`."""
        if len(work.views) == 1:
            return list(work.views)
        codes = [reader.block(view.row, view.row + 1)[0]["pdq"] for view in work.views]
        return [work.views[i] for i in drawings(codes)]


def prepare_corpus(
    folder: Path, work: WorkFolder, step: Callable[[int, int], None], follow_links: bool = False
) -> Corpus:
    """Read the works that are new, squeeze them to SIDE x SIDE pixels (Lanczos), and withdraw those that are gone.

    Args:
        folder: Where they are.
        work: Where they are kept squeezed.
        step: Called with the number of files read and of all.
        follow_links: Whether links are followed that lead out of the folder.

    Raises:
        CorpusError: If `references.csv` cannot be used.
        EmptyCorpusError: If no work could be read.
    """
    files = corpus_files(folder, follow_links)
    first: dict[str, CorpusFile] = {}
    not_compared: list[NotCompared] = []
    known = set(work.references())
    for start in range(0, len(files), _BATCH):
        with work.transaction():
            for file in files[start : start + _BATCH]:
                try:
                    _read(file, first, known, work)
                except ValueError as error:
                    duplicate = isinstance(error, _DuplicateError) or file.problem == READ_ALREADY
                    not_compared.append(NotCompared(shown(file.path.relative_to(folder)), str(error), duplicate))
        step(min(start + _BATCH, len(files)), len(files))
    if not first:
        reasons = "".join(f"\n{skipped.name}: {skipped.reason}" for skipped in not_compared)
        raise EmptyCorpusError(f"{folder}: no readable reference image; put the protected works there{reasons}")
    work.withdraw(sorted(known - set(first)))
    stored = work.references()
    works = {s: Work(file, shown(file.path.relative_to(folder)), stored[s]) for s, file in first.items()}
    return Corpus(works, not_compared)


def _content(work: Work) -> bytes:
    try:
        return read_file(work.file.path)
    except DecodeError as error:
        raise WorkError(f"{work.name}: {error}, and run the same command again") from error


class _DuplicateError(ValueError):
    """A file whose content is compared with already."""


def _read(file: CorpusFile, first: dict[str, CorpusFile], known: set[str], work: WorkFolder) -> None:
    if file.problem:
        raise DecodeError("unreadable", file.problem)
    content = read_file(file.path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 in first:
        raise _DuplicateError(same_file(first[sha256].path))
    if sha256 not in known:
        # Of each view only the record is kept, so that no more than one is in memory at its full size.
        decoded = decode_views(content, lambda pixels: np.frombuffer(_record(pixels).tobytes(), np.uint8))
        if decoded.blank:
            raise DecodeError("unsupported", BLANK)
        notes = suffix_note(file.path.suffix, decoded.format) + decoded.notes
        for view in decoded.views:
            row = ReferenceRow(work.rows(), sha256, view.label, *decoded.size, notes, decoded.missing)
            work.add_view(np.frombuffer(view.pixels, RECORD)[0], row)
    first[sha256] = file


def _record(pixels: np.ndarray) -> np.ndarray:
    return np.array((squeezed(pixels, SIDE), hog(pixels), pdq(pixels)), RECORD)
