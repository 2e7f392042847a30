"""Changing an index: works come as new segments, leave as marks, and small segments are merged."""

import fcntl
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from twig_assets.similarity.index.local_kernels import WITHDRAWN
from twig_assets.similarity.index.local_words import LocalEntries, merged
from twig_assets.similarity.index.manifest import (
    MANIFEST,
    CorpusIndexError,
    Manifest,
    SegmentEntry,
    UnreadWork,
    read_manifest,
    sync_folder,
    write_manifest,
)
from twig_assets.similarity.index.rows import Rows
from twig_assets.similarity.index.segment import MAX_ROWS, Segment, write_segment

MERGED_AT = 8
"""So many segments of about the same size, a power of it, become one."""

_CHUNK = 2048
_SEGMENTS = "segments"


class IndexWriter:
    """Changes an index. One at a time; readers go on with what they have opened.

    Whatever it writes has a name of its own and is on disk before the manifest names it. If it is killed, the index is
    the old one or the new one, and the next writer deletes what no manifest names.

    Attributes:
        manifest: The index as it is.
    """

    def __init__(
        self,
        folder: Path,
        scoring: str,
        vectors: dict[str, int] | None = None,
        identities: dict[str, str] | None = None,
    ) -> None:
        """Open an index to change it.

        Args:
            folder: The index.
            scoring: Version of the descriptors.
            vectors: To make a new index: names of the descriptors that are searched by cosine -> their lengths.
            identities: What makes each of them.

        Raises:
            CorpusIndexError: If there is none, or one already that should be made, another process changes it, or it
                cannot be written.
        """
        self.folder, self._scoring = folder, scoring
        if vectors is None:
            read_manifest(folder, scoring)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CorpusIndexError(f"{folder}: another process changes this index; wait for it") from error
        except OSError as error:
            raise CorpusIndexError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
        if vectors is not None:
            if (folder / MANIFEST).exists():
                self.close()
                raise CorpusIndexError(f"{folder}: is an index already; use twig index add, or delete the folder first")
            write_manifest(folder, Manifest(scoring=scoring, vectors=vectors, identities=identities or {}))
        self.manifest = read_manifest(folder, scoring)
        self._delete_unnamed()

    def close(self) -> None:
        """Let another process change the index."""
        self._lock.close()

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def known(self, sha256s: Iterable[str]) -> set[str]:
        """Which of these works the index has."""
        wanted = {np.frombuffer(bytes.fromhex(sha256), np.uint8).tobytes(): sha256 for sha256 in sha256s}
        found = set()
        for segment in self._opened():
            for row in _rows_of(segment, list(wanted)).tolist():
                found.add(wanted[segment.sha256s[row].tobytes()])
        return found

    def add(self, rows: Rows) -> None:
        """Add views of works that the index does not have, as a segment of their own."""
        self.add_segment(len(rows), [rows], rows.local)

    def add_segment(self, count: int, parts: Iterable[Rows], local: LocalEntries) -> None:
        """Add a segment; see `write_segment`.

        Raises:
            CorpusIndexError: If it cannot be written; the index is as it was.
        """
        if not 0 < count <= MAX_ROWS:
            raise ValueError(f"count: a segment has 1 to {MAX_ROWS} rows, not {count}")
        entry = self._written(count, parts, local)
        self._replace(segments=(*self.manifest.segments, entry))

    def remove(self, sha256s: Iterable[str]) -> int:
        """Take works out: their rows are marked, and left out of the next merge.

        Returns:
            How many of them the index had.
        """
        wanted = [bytes.fromhex(sha256) for sha256 in sha256s]
        entries, gone = [], set()
        for segment in self._opened():
            rows = _rows_of(segment, wanted)
            entry = segment.entry
            if len(rows):
                gone |= {segment.sha256s[row].tobytes() for row in rows.tolist()}
                removed = segment.removed.copy()
                removed[rows] = True
                entry = self._marked(entry, removed)
            if entry.removed_rows < entry.rows:
                entries.append(entry)
        names = {sha256.hex() for sha256 in gone}
        unread = tuple(work for work in self.manifest.unread if work.sha256 not in names)
        if gone:
            self._replace(segments=tuple(entries), unread=unread)
        return len(gone)

    def keep_only(self, sha256s: Iterable[str]) -> int:
        """Take all works out but these, and say how many that were."""
        wanted = set(sha256s)
        there = {sha256.tobytes().hex() for segment in self._opened() for sha256 in segment.sha256s[~segment.removed]}
        gone = there - wanted
        return self.remove(sorted(gone)) if gone else 0

    def forget_unread(self, but: Iterable[str]) -> None:
        """Forget what could not be read, but for what is said of works with these hashes."""
        kept = set(but)
        unread = tuple(work for work in self.manifest.unread if work.sha256 in kept)
        if unread != self.manifest.unread:
            self._replace(unread=unread)

    def note_unread(self, works: Sequence[UnreadWork], now_read: Iterable[str] = ()) -> None:
        """Keep which files could not be read, or not wholly.

        Args:
            works: These files.
            now_read: Paths of which nothing is to be said any more.
        """
        known = {(work.path, work.reason): work for work in self.manifest.unread if work.path not in set(now_read)}
        known |= {(work.path, work.reason): work for work in works}
        unread = tuple(known[key] for key in sorted(known))
        if unread != self.manifest.unread:
            self._replace(unread=unread)

    def note_recall(self, recall: dict[str, float]) -> None:
        """Keep what a comparison with all works said; see `check`."""
        self._replace(recall=recall)

    def merge(self, up_to: int = MAX_ROWS, step: Callable[[int], None] = lambda rows: None) -> None:
        """Merge segments of about the same size while there are MERGED_AT of one.

        Args:
            up_to: Of at most so many rows in all.
            step: Called with the number of rows of each merge when it is done.
        """
        while chosen := _to_merge(self.manifest.segments, up_to):
            step(self._merge(chosen))

    def _merge(self, chosen: list[SegmentEntry]) -> int:
        segments = [Segment(self.folder, entry) for entry in chosen]
        kept = [int((~segment.removed).sum()) for segment in segments]
        maps, first = [], 0
        for segment, count in zip(segments, kept, strict=True):
            rows = np.cumsum(~segment.removed) - 1 + first
            maps.append(np.where(segment.removed, WITHDRAWN, rows).astype(np.uint32))
            first += count
        local = merged([segment.local for segment in segments], maps)
        parts = (part for segment in segments for part in segment.parts(_CHUNK))
        entry = self._written(sum(kept), parts, local)
        names = {of_chosen.name for of_chosen in chosen}
        others = [other for other in self.manifest.segments if other.name not in names]
        place = self.manifest.segments.index(chosen[0])
        self._replace(segments=(*others[:place], entry, *others[place:]))
        self._delete_unnamed()
        return sum(kept)

    def _written(self, count: int, parts: Iterable[Rows], local: LocalEntries) -> SegmentEntry:
        name = f"{_SEGMENTS}/{self.manifest.sequence + 1:08d}-{uuid.uuid4().hex[:8]}"
        try:
            return write_segment(self.folder, name, count, parts, local, self.manifest.vectors)
        except OSError as error:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            raise CorpusIndexError(f"{self.folder}: cannot be written ({error.strerror}); free some space") from error

    def _marked(self, entry: SegmentEntry, removed: np.ndarray) -> SegmentEntry:
        name = f"{entry.name}.removed-{self.manifest.sequence + 1:08d}-{uuid.uuid4().hex[:8]}.npy"
        try:
            with (self.folder / name).open("wb") as file:
                np.save(file, np.flatnonzero(removed).astype(np.uint32), allow_pickle=False)
                file.flush()
            sync_folder(self.folder / _SEGMENTS)
        except OSError as error:
            raise CorpusIndexError(f"{self.folder}: cannot be written ({error.strerror}); free some space") from error
        return entry.model_copy(update={"removed": name, "removed_rows": int(removed.sum())})

    def _replace(self, **changed: object) -> None:
        manifest = self.manifest.model_copy(update={**changed, "sequence": self.manifest.sequence + 1})
        write_manifest(self.folder, manifest)
        self.manifest = manifest

    def _opened(self) -> list[Segment]:
        return [Segment(self.folder, entry) for entry in self.manifest.segments]

    def _delete_unnamed(self) -> None:
        """Delete what a writer that was killed has left, and segments that were merged."""
        named = {entry.name for entry in self.manifest.segments} | {entry.removed for entry in self.manifest.segments}
        for path in sorted((self.folder / _SEGMENTS).glob("*")):
            if f"{_SEGMENTS}/{path.name}" in named:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f".{MANIFEST}.*.partial"):
            path.unlink(missing_ok=True)


def _rows_of(segment: Segment, sha256s: Sequence[bytes]) -> np.ndarray:
    """The rows of some works that are not removed."""
    wanted = np.sort(np.frombuffer(b"".join(sha256s), np.dtype("V32")).view(np.uint8).reshape(-1, 32).view(">u8")[:, 0])
    if len(wanted) == 0 or len(segment) == 0:
        return np.zeros(0, np.int64)
    # The first eight bytes exclude nearly all; the whole hash decides.
    firsts = segment.sha256s[:, :8].copy().view(">u8")[:, 0]
    places = np.searchsorted(wanted, firsts).clip(max=len(wanted) - 1)
    rows = np.flatnonzero((wanted[places] == firsts) & ~segment.removed)
    exactly = set(sha256s)
    return np.array([row for row in rows.tolist() if segment.sha256s[row].tobytes() in exactly], np.int64)


def _to_merge(entries: Sequence[SegmentEntry], up_to: int) -> list[SegmentEntry]:
    """The first MERGED_AT segments of one power of MERGED_AT rows that together have at most `up_to`."""
    tiers: dict[int, list[SegmentEntry]] = {}
    for entry in entries:
        rows = entry.rows - entry.removed_rows
        tier, size = 0, MERGED_AT
        while rows >= size:
            tier, size = tier + 1, size * MERGED_AT
        tiers.setdefault(tier, []).append(entry)
    for tier in sorted(tiers):
        chosen = tiers[tier][:MERGED_AT]
        if len(chosen) == MERGED_AT and sum(entry.rows - entry.removed_rows for entry in chosen) <= up_to:
            return chosen
    return []
