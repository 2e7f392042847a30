"""A segment on disk: plain numpy files that are written once and mapped into memory, one for each description."""

import hashlib
import math
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from twig_assets.similarity.index.local_words import LocalEntries
from twig_assets.similarity.index.manifest import CorpusIndexError, SegmentEntry, StoredFile, sync_folder
from twig_assets.similarity.index.pdq_tables import HashTable, tables_of
from twig_assets.similarity.index.rows import SIDE, Rows, WorkText
from twig_assets.similarity.index.sketches import SKETCHED_FROM, SegmentVectors, Sketches, sketched

MAX_ROWS = 1 << 18
"""A segment has at most so many rows: its hashes and one table of them fit in a processor's cache."""

_READ = 1 << 22


class Segment:
    """A segment that is open; its files may be deleted meanwhile.

    Attributes:
        entry: What the manifest says of it.
        hashes: The PDQ hashes, to be looked up.
        vectors: Name of a descriptor -> vectors, to be searched by cosine.
        local: The local features.
        removed: bool (rows,): which rows are of works that were removed.
    """

    def __init__(self, folder: Path, entry: SegmentEntry) -> None:
        """Map the files of a segment.

        Args:
            folder: The index.
            entry: The segment.

        Raises:
            FileNotFoundError: If a file is missing, as after a merge.
            CorpusIndexError: If one has another size than it was written with.
        """
        self.entry = entry
        place = folder / entry.name
        for name, file in entry.files.items():
            if (place / name).stat().st_size != file.bytes:
                raise CorpusIndexError(f"{place / name}: is damaged; restore it, or build the index again")
        self._maps: list[mmap.mmap] = []
        self._mapped = {name.removesuffix(".npy"): self._open(place / name) for name in entry.files if _is_array(name)}
        self._texts = self._open(place / "works.jsonl")
        names = [name.removesuffix(".vectors") for name in self._mapped if name.endswith(".vectors")]
        self.hashes = HashTable(*(self._mapped[f"pdq.{field}"] for field in HashTable._fields))
        self.vectors = {name: self._vectors(name) for name in names}
        self.local = LocalEntries(*(self._mapped[f"local.{field}"] for field in LocalEntries._fields))
        self.removed = np.zeros(entry.rows, bool)
        if entry.removed:
            self.removed[np.load(folder / entry.removed, allow_pickle=False)] = True

    def __len__(self) -> int:
        return self.entry.rows

    def let_go(self) -> None:
        """Give the memory back that the files take while they are read; they stay open."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)

    def _open(self, path: Path) -> np.ndarray:
        """An array, or the bytes of another file, mapped from the disk."""
        with path.open("rb") as file:
            shape, _, kind = _header(file) if _is_array(path.name) else ((path.stat().st_size,), False, np.uint8)
            start, count = file.tell(), math.prod(shape)
            if count == 0:
                return np.zeros(shape, kind)
            self._maps.append(mapped := mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return np.frombuffer(mapped, kind, count, start).reshape(shape)

    def text(self, row: int) -> WorkText:
        """What is said of a row."""
        start, stop = self._mapped["works.ends"][row : row + 2]
        return WorkText.of_json(bytes(self._texts[start:stop]))

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """The squeezed pictures of some rows: uint8 (n, SIDE, SIDE, 3)."""
        return np.asarray(self._mapped["pixels"][rows])

    @property
    def sha256s(self) -> np.ndarray:
        """Hash of each row's work: uint8 (rows, 32)."""
        return self._mapped["works.sha256"]

    def parts(self, chunk: int) -> Iterator[Rows]:
        """All rows but those removed, a chunk at a time, without their local features."""
        nothing = LocalEntries(*(np.zeros(0, array.dtype) for array in self.local))
        for start in range(0, len(self), chunk):
            kept = start + np.flatnonzero(~self.removed[start : start + chunk])
            if len(kept):
                vectors = {name: np.asarray(own.vectors[kept]) for name, own in self.vectors.items()}
                texts = [self.text(row) for row in kept.tolist()]
                yield Rows(texts, self.pixels(kept), np.asarray(self.hashes.hashes[kept]), vectors, nothing)

    def _vectors(self, name: str) -> SegmentVectors:
        parts = [self._mapped.get(f"{name}.{field}") for field in Sketches._fields]
        known = [part for part in parts if part is not None]
        return SegmentVectors(self._mapped[f"{name}.vectors"], Sketches(*known) if known else None)


def write_segment(
    folder: Path, name: str, count: int, parts: Iterable[Rows], local: LocalEntries, vectors: dict[str, int]
) -> SegmentEntry:
    """Write a segment; nothing refers to it yet.

    Args:
        folder: The index.
        name: The segment's folder, which does not exist.
        count: How many rows there are.
        parts: The rows, in order; their local features are passed over.
        local: The local features of all rows.
        vectors: Names of the descriptors -> how many numbers each has.

    Raises:
        OSError: If it cannot be written.
    """
    place = folder / name
    place.mkdir(parents=True)
    columns: dict[str, tuple[tuple[int, ...], Any]] = {
        "works.sha256": ((32,), np.uint8),
        "pixels": ((SIDE, SIDE, 3), np.uint8),
        "pdq.hashes": ((32,), np.uint8),
    }
    columns |= {f"{descriptor}.vectors": ((length,), np.float16) for descriptor, length in vectors.items()}
    ends = np.zeros(count + 1, np.int64)
    files = {
        column: _begun(place / f"{column}.npy", (count, *shape), kind) for column, (shape, kind) in columns.items()
    }
    try:
        with (place / "works.jsonl").open("wb") as texts:
            row = 0
            for part in parts:
                lines = [text.to_json() for text in part.texts]
                texts.write(b"".join(lines))
                ends[row + 1 : row + 1 + len(part)] = ends[row] + np.cumsum([len(line) for line in lines])
                row += len(part)
                _append(files, part)
    finally:
        for file in files.values():
            file.close()
    derived = {"works.ends": ends}
    derived |= {f"local.{field}": array for field, array in zip(local._fields, local, strict=True)}
    for name_, array in derived.items():
        np.save(place / f"{name_}.npy", array, allow_pickle=False)
    _write_searches(place, count, vectors)
    return _finished(folder, name, count)


def _append(files: dict[str, BinaryIO], part: Rows) -> None:
    shas = np.frombuffer(bytes.fromhex("".join(text.sha256 for text in part.texts)), np.uint8)
    arrays = {"works.sha256": shas, "pdq.hashes": part.pdq}
    arrays |= {f"{name}.vectors": of_name for name, of_name in part.vectors.items()}
    for name, array in arrays.items():
        files[name].write(np.ascontiguousarray(array).data)
    if part.pixels is None:
        # A hole, which takes no room on the disk.
        files["pixels"].seek(len(part) * SIDE * SIDE * 3, os.SEEK_CUR)
        files["pixels"].truncate()
    else:
        files["pixels"].write(np.ascontiguousarray(part.pixels).data)


def _write_searches(place: Path, count: int, vectors: dict[str, int]) -> None:
    """What makes the columns searchable."""
    table = tables_of(np.load(place / "pdq.hashes.npy", allow_pickle=False))
    np.save(place / "pdq.order.npy", table.order, allow_pickle=False)
    np.save(place / "pdq.starts.npy", table.starts, allow_pickle=False)
    if count >= SKETCHED_FROM:
        for name in vectors:
            sketches = sketched(_mapped(place / f"{name}.vectors.npy"))
            for field, array in zip(sketches._fields, sketches, strict=True):
                np.save(place / f"{name}.{field}.npy", array, allow_pickle=False)


def _finished(folder: Path, name: str, count: int) -> SegmentEntry:
    place = folder / name
    files = {path.name: hashed(path) for path in sorted(place.iterdir())}
    sync_folder(place)
    sync_folder(place.parent)
    return SegmentEntry(name=name, rows=count, files=files)


def hashed(path: Path) -> StoredFile:
    """Size and hash of a file, once it has reached the disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while block := file.read(_READ):
            digest.update(block)
        return StoredFile(bytes=file.tell(), sha256=digest.hexdigest())


def _begun(path: Path, shape: tuple[int, ...], kind: Any) -> BinaryIO:
    file = path.open("wb")
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    )
    return file


def _mapped(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array.view(np.ndarray)


def _is_array(name: str) -> bool:
    return name.endswith(".npy")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, Any]:
    """Shape, order and type of the array that follows."""
    np.lib.format.read_magic(file)
    return np.lib.format.read_array_header_1_0(file)
