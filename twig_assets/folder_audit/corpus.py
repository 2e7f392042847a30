"""The protected works of a folder audit: squeezed on disk, and read again at their own size one at a time."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twig_assets.folder_audit.images import reduced, squeezed
from twig_assets.folder_audit.work import RECORD, SIDE, ReferenceRow, WorkError, WorkFolder
from twig_assets.similarity.corpus.decode import DecodeError, decode, read_file, suffix_note
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.index import ReferenceIndex
from twig_assets.similarity.corpus.references import (
    CorpusFile,
    EmptyCorpusError,
    ReferenceImage,
    corpus_files,
    corpus_version,
    same_file,
)
from twig_assets.similarity.detectors.hog import hog
from twig_assets.similarity.detectors.local_features import CANVAS
from twig_assets.similarity.detectors.pdq import pdq

MAX_SIDE = 2048
"""References with a longer side, in pixels, are reduced to it before they are resized to an image's size."""

LOCAL_UP_TO = 2000
"""Up to this many works, candidates are also sought by local features, which take 0.25 MB a work."""

_KEPT_BYTES = 256 << 20
_BATCH = 256


@dataclass(frozen=True)
class Work:
    """A protected work that images are compared with."""

    file: CorpusFile
    name: str
    stored: ReferenceRow


@dataclass(frozen=True)
class NotCompared:
    """A file of the corpus that nothing is compared with, and why."""

    name: str
    reason: str


class Corpus:
    """The works of one run.

    Attributes:
        works: Hash of the file -> work, in order of path.
        not_compared: What else is in the folder or the table.
        version: The corpus version, see `corpus_version`.
    """

    def __init__(self, works: dict[str, Work], not_compared: list[NotCompared]) -> None:
        self.works = works
        self.not_compared = not_compared
        self.version = corpus_version(works)
        self.by_row = {work.stored.row: work for work in works.values()}
        self._kept: OrderedDict[str, ReferenceImage] = OrderedDict()
        self._index: ReferenceIndex | None = None

    @property
    def has_local_features(self) -> bool:
        """Whether the corpus is small enough to keep the local features of all works in memory."""
        return len(self.works) <= LOCAL_UP_TO

    def by_local_features(self, image: np.ndarray, count: int) -> list[str]:
        """Hashes of the works that share most local features with an image, uint8 (h, w, 3)."""
        hashes = list(self.works)
        if self._index is None:
            self._index = ReferenceIndex([reduced(self.picture(sha256).pixels, CANVAS) for sha256 in hashes])
        candidates = self._index.candidates(self._index.describe(image), count)
        return [hashes[candidate.reference] for candidate in candidates if "local features" in candidate.proposed_by]

    def picture(self, sha256: str) -> ReferenceImage:
        """A work with its pixels, at most MAX_SIDE on either side.

        Raises:
            WorkError: If its file is not what it was when the run began.
        """
        if sha256 in self._kept:
            self._kept.move_to_end(sha256)
            return self._kept[sha256]
        work = self.works[sha256]
        content = read_file(work.file.path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise WorkError(f"{work.name}: has changed since the run began; run the same command again")
        pixels = reduced(decode(content).pixels, MAX_SIDE)
        file = work.file
        reference = ReferenceImage(file.path, file.title, file.rights_holder, file.licence, sha256, pixels)
        self._kept[sha256] = reference
        while sum(kept.pixels.nbytes for kept in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return reference


def prepare_corpus(folder: Path, work: WorkFolder, step: Callable[[int, int], None]) -> Corpus:
    """Read the works that are new, squeeze them to SIDE x SIDE pixels (Lanczos), and withdraw those that are gone.

    Args:
        folder: Where they are.
        work: Where they are kept squeezed.
        step: Called with the number of files read and of all.

    Raises:
        CorpusError: If `references.csv` cannot be used.
        EmptyCorpusError: If no work could be read.
    """
    files = corpus_files(folder)
    first: dict[str, CorpusFile] = {}
    not_compared: list[NotCompared] = []
    known = set(work.references())
    for start in range(0, len(files), _BATCH):
        with work.transaction():
            for file in files[start : start + _BATCH]:
                try:
                    _read(file, first, known, work)
                except ValueError as error:
                    not_compared.append(NotCompared(shown(file.path.relative_to(folder)), str(error)))
        step(min(start + _BATCH, len(files)), len(files))
    if not first:
        reasons = "".join(f"\n{skipped.name}: {skipped.reason}" for skipped in not_compared)
        raise EmptyCorpusError(f"{folder}: no readable reference image; put the protected works there{reasons}")
    work.withdraw(sorted(known - set(first)))
    stored = work.references()
    works = {s: Work(file, shown(file.path.relative_to(folder)), stored[s]) for s, file in first.items()}
    return Corpus(works, not_compared)


def _read(file: CorpusFile, first: dict[str, CorpusFile], known: set[str], work: WorkFolder) -> None:
    if file.problem:
        raise DecodeError("unreadable", file.problem)
    content = read_file(file.path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 in first:
        raise ValueError(same_file(first[sha256].path))
    if sha256 not in known:
        decoded = decode(content)
        height, width = decoded.pixels.shape[:2]
        notes = suffix_note(file.path.suffix, decoded.format) + decoded.notes
        work.add_reference(_record(decoded.pixels), sha256, (width, height), notes)
    first[sha256] = file


def _record(pixels: np.ndarray) -> np.ndarray:
    return np.array((squeezed(pixels, SIDE), hog(pixels), pdq(pixels)), RECORD)
