"""An index that is open to be searched: it keeps the segments that it opened, whatever happens to the files."""

import copy
import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from twig_assets.similarity.corpus.decode import DecodeError, decode_view, read_file
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.references import ReferenceImage, corpus_version
from twig_assets.similarity.corpus.sizes import WORK_SIDE, reduced
from twig_assets.similarity.index.manifest import CorpusIndexError, Manifest, read_manifest
from twig_assets.similarity.index.rows import SIDE, WorkText
from twig_assets.similarity.index.segment import Segment
from twig_assets.similarity.versions import SCORING

_TRIES = 5


class CorpusIndex:
    """The works of an index at the moment it was opened; a row is a view of one.

    Attributes:
        folder: Where it lies.
        manifest: What it consists of.
        segments: Its segments; rows count on from one to the next.
        removed: bool (rows,): those of works that were removed.
    """

    def __init__(self, folder: Path) -> None:
        """Open an index.

        Raises:
            CorpusIndexError: If there is none, it is damaged, or another version has made it.
        """
        self.folder = folder
        self.manifest, self.segments = _opened(folder)
        self._firsts = np.concatenate([[0], np.cumsum([len(segment) for segment in self.segments])]).astype(int)
        self.removed = np.concatenate([np.zeros(0, bool), *(segment.removed for segment in self.segments)])

    def __len__(self) -> int:
        """Rows, those of removed works included."""
        return len(self.removed)

    @property
    def counts(self) -> list[int]:
        """Rows in each segment."""
        return [len(segment) for segment in self.segments]

    def let_go(self) -> None:
        """See `Segment.let_go`."""
        for segment in self.segments:
            segment.let_go()

    def text(self, row: int) -> WorkText:
        """What is said of a row."""
        segment, inside = self._place(row)
        return segment.text(inside)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """The squeezed pictures of some rows: uint8 (n, SIDE, SIDE, 3)."""
        pictures = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
        owner = np.searchsorted(self._firsts, rows, side="right") - 1
        for number in np.unique(owner).tolist():
            own = owner == number
            pictures[own] = self.segments[number].pixels(rows[own] - self._firsts[number])
        return pictures

    def hash_of(self, row: int) -> np.ndarray:
        """The PDQ hash of a row: uint8 (32,)."""
        segment, inside = self._place(row)
        return np.asarray(segment.hashes.hashes[inside])

    def vectors(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A descriptor's vectors of some rows: float32 (n, length)."""
        places = [self._place(int(row)) for row in rows]
        return np.stack([segment.vectors[name].vectors[inside] for segment, inside in places]).astype(np.float32)

    def rows_of(self, sha256: str) -> list[int]:
        """The rows of a work's views, in order.

        Raises:
            KeyError: If the index has no such work.
        """
        wanted = bytes.fromhex(sha256)
        first, order = self._by_hash
        start, stop = (np.searchsorted(first, _number(wanted), side=side) for side in ("left", "right"))
        rows = [row for row in sorted(order[start:stop].tolist()) if self.work(row) == wanted and not self.removed[row]]
        if not rows:
            raise KeyError(sha256)
        return rows

    def without(self, works: Iterable[str]) -> "CorpusIndex":
        """This index as it would be searched if some works, given by their hashes, had been removed."""
        other = copy.copy(self)
        other.removed = self.removed.copy()
        other.removed[[row for sha256 in works for row in self.rows_of(sha256)]] = True
        return other

    @cached_property
    def _by_hash(self) -> tuple[np.ndarray, np.ndarray]:
        """The first eight bytes of all rows' hashes in order, and whose they are."""
        numbers = [np.ascontiguousarray(segment.sha256s[:, :8]).view(">u8")[:, 0] for segment in self.segments]
        first = np.concatenate([np.zeros(0, np.uint64), *numbers]).astype(np.uint64)
        order = np.argsort(first, kind="stable")
        return first[order], order

    def work(self, row: int) -> bytes:
        """The SHA-256 of a row's work, 32 bytes."""
        segment, inside = self._place(row)
        return segment.sha256s[inside].tobytes()

    def picture(self, row: int) -> ReferenceImage:
        """A view of a work at its own size, but at most WORK_SIDE on either side, read from the work's file.

        Raises:
            CorpusIndexError: If the file cannot be read, or is not what it was when it was described.
        """
        text = self.text(row)
        path = Path(text.path)
        remedy = "put it back, or take the work out with twig index remove"
        try:
            content = read_file(path)
            if hashlib.sha256(content).hexdigest() != text.sha256:
                raise CorpusIndexError(f"{shown(path)}: has changed since it was described; {remedy}")
            pixels = decode_view(content, text.view, lambda view: reduced(view, WORK_SIDE)).pixels
        except DecodeError as error:
            raise CorpusIndexError(f"{shown(path)}: {error}; it is a work of {self.folder}: {remedy}") from error
        details = text.title, text.rights_holder, text.licence, text.sha256
        return ReferenceImage(path, *details, pixels, text.view, text.notes)

    @cached_property
    def sha256s(self) -> list[str]:
        """The hashes of all works, in order of hash, each once."""
        kept = [segment.sha256s[~segment.removed] for segment in self.segments]
        rows = np.concatenate([np.zeros((0, 32), np.uint8), *kept])
        return [value.tobytes().hex() for value in np.unique(np.ascontiguousarray(rows).view("V32"))]

    @cached_property
    def version(self) -> str:
        """The corpus version, see `corpus_version`."""
        return corpus_version(self.sha256s)

    def _place(self, row: int) -> tuple[Segment, int]:
        number = int(np.searchsorted(self._firsts, row, side="right")) - 1
        return self.segments[number], row - int(self._firsts[number])


def _number(sha256: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(sha256[:8], "big"))


def _opened(folder: Path) -> tuple[Manifest, list[Segment]]:
    missing = ""
    for _ in range(_TRIES):
        manifest = read_manifest(folder, SCORING)
        try:
            return manifest, [Segment(folder, entry) for entry in manifest.segments]
        except FileNotFoundError as error:
            # Between the manifest and its files a writer may have merged them; then there is another manifest.
            missing = str(error.filename)
    raise CorpusIndexError(f"{missing}: is missing; restore it, or build the index again")
