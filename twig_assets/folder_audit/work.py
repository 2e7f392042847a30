"""What an audit has done so far, kept beside its output, so that an interrupted run continues from there."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from twig_assets.similarity.corpus.views import view_key
from twig_assets.similarity.detectors.gradient_histograms import LENGTH

SIDE = 64
"""References and images are squeezed to SIDE x SIDE pixels to find candidates."""

RECORD = np.dtype(
    [
        ("pixels", np.uint8, (SIDE, SIDE, 3)),
        ("hog", np.float16, (LENGTH,)),
        ("pdq", np.uint8, (32,)),
    ]
)
"""What is kept of a view of a reference to find it again: 15 KiB."""

VERSION = 4
"""Of the folder's content; what another version has written is discarded, and everything is compared again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS reference (row INTEGER PRIMARY KEY, sha256 TEXT, label TEXT, width INTEGER, height INTEGER,
    notes TEXT, missing TEXT, UNIQUE (sha256, label));
CREATE TABLE IF NOT EXISTS image (sha256 TEXT PRIMARY KEY, format TEXT, width INTEGER, height INTEGER, notes TEXT,
    labels TEXT, missing TEXT);
CREATE TABLE IF NOT EXISTS scan (query TEXT, key TEXT, compared INTEGER, candidates TEXT, PRIMARY KEY (query, key));
CREATE TABLE IF NOT EXISTS kept (kind TEXT, name TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS description (view TEXT, name TEXT, identity TEXT, body BLOB, PRIMARY KEY (view, name));
"""


class WorkError(RuntimeError):
    """The folder of an audit cannot be worked in; the message names it and says what to do."""


class ReferenceRow(NamedTuple):
    """A view of a reference that is stored at SIDE x SIDE pixels.

    Attributes:
        row: Its place in the file of records.
        sha256: The reference.
        label: Which view of it; empty for a plain picture.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        notes: What was done to the reference while decoding.
        missing: Frames of the reference that could not be looked at, each with the reason.
    """

    row: int
    sha256: str
    label: str
    width: int
    height: int
    notes: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def key(self) -> str:
        """The view's key."""
        return view_key(self.sha256, self.label)


class ImageRow(NamedTuple):
    """What decoding an image gave.

    Attributes:
        format: The file's format.
        width: Of the first frame, in pixels.
        height: Of the first frame, in pixels.
        notes: What was done to it while decoding.
        labels: Its views.
        missing: Frames that could not be looked at, each with the reason.
    """

    format: str
    width: int
    height: int
    notes: tuple[str, ...]
    labels: tuple[str, ...]
    missing: tuple[str, ...]


class Scan(NamedTuple):
    """How far a query was compared: the number of rows, from the first; and each source's best as (row, score)."""

    compared: int
    candidates: dict[str, list[tuple[int, float]]]


class WorkReader:
    """The folder `work` of an audit's output, for reading; a worker's view of it."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Args:
            folder: A folder that a `WorkFolder` has made.
        """
        self.folder = folder
        self._records: IO[bytes] = (folder / "references.records").open("rb")
        self._db = sqlite3.connect(f"{(folder / 'progress.db').resolve().as_uri()}?mode=ro", uri=True, timeout=60)

    def rows(self) -> int:
        """How many records there are, those of withdrawn references included."""
        return int(self._db.execute("SELECT coalesce(max(row) + 1, 0) FROM reference").fetchone()[0])

    def block(self, start: int, stop: int) -> np.ndarray:
        """Records `start` to `stop` read from disk: an array of RECORD."""
        size = RECORD.itemsize
        return np.frombuffer(os.pread(self._records.fileno(), (stop - start) * size, start * size), RECORD)

    def description(self, view: str, name: str, identity: str) -> bytes | None:
        """The packed description of a view, if there is one that was made under this identity."""
        values = (view, name, identity)
        query = "SELECT body FROM description WHERE view = ? AND name = ? AND identity = ?"
        row = self._db.execute(query, values).fetchone()
        return row and row[0]


class WorkFolder(WorkReader):
    """The folder `work` of an audit's output.

    Views of references are records in one file that only grows, and rows of an SQLite table. A row whose reference
    left the corpus has no hash any more, and is passed over. So "compared with the first n rows" stays true for ever,
    and a reference that comes later is compared with every image, but nothing else is again.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder, or make it, for one process at a time.

        Raises:
            WorkError: If another process works in it, or it cannot be written.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._records = (folder / "references.records").open("a+b")
        except BlockingIOError as error:
            raise WorkError(f"{folder}: another audit is at work here; wait for it or choose another --out") from error
        except OSError as error:
            raise WorkError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
        try:
            self._db = sqlite3.connect(folder / "progress.db", isolation_level=None)
            self._discard_other_versions()
            self._db.executescript(_TABLES)
            self._cut_unfinished_record()
        except sqlite3.Error as error:
            raise WorkError(f"{folder}: cannot be used ({error}); delete it to start again") from error

    def close(self) -> None:
        """Let others in."""
        self._db.close()
        self._records.close()
        self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes within are kept, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._records.flush()
        os.fsync(self._records.fileno())
        self._db.execute("COMMIT")

    def references(self) -> dict[str, tuple[ReferenceRow, ...]]:
        """Hash -> views of the reference, of all that are in the corpus."""
        columns = "row, sha256, label, width, height, notes, missing"
        rows = self._db.execute(f"SELECT {columns} FROM reference WHERE sha256 IS NOT NULL ORDER BY row")
        views: dict[str, list[ReferenceRow]] = {}
        for row, sha256, label, width, height, notes, missing in rows:
            texts = tuple(json.loads(notes)), tuple(json.loads(missing))
            view = ReferenceRow(row, sha256, label, width, height, *texts)
            views.setdefault(view.sha256, []).append(view)
        return {sha256: tuple(of_reference) for sha256, of_reference in views.items()}

    def add_view(self, record: np.ndarray, view: ReferenceRow) -> None:
        """Append a record, of RECORD and shape (), within a transaction; its row is `rows()`."""
        self._records.write(record.tobytes())
        values = (*view[:5], json.dumps(view.notes), json.dumps(view.missing))
        self._db.execute("INSERT INTO reference VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def withdraw(self, sha256s: list[str]) -> None:
        """Pass over the rows of references that are no longer in the corpus."""
        keys = [(view.key,) for sha256 in sha256s for view in self.references().get(sha256, ())] if sha256s else []
        self._db.executemany("DELETE FROM description WHERE view = ?", keys)
        self._db.executemany("UPDATE reference SET sha256 = NULL WHERE sha256 = ?", [(s,) for s in sha256s])

    def image(self, sha256: str) -> ImageRow | None:
        """What decoding gave, if it was decoded before."""
        columns = "format, width, height, notes, labels, missing"
        row = self._db.execute(f"SELECT {columns} FROM image WHERE sha256 = ?", (sha256,)).fetchone()
        return row and ImageRow(*row[:3], *(tuple(json.loads(texts)) for texts in row[3:]))

    def put_image(self, sha256: str, row: ImageRow) -> None:
        """Keep what decoding gave."""
        values = (sha256, *row[:3], *(json.dumps(texts) for texts in row[3:]))
        self._db.execute("INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def scan(self, query: str, key: str) -> Scan:
        """How far a query was compared under a key: versions of libraries and the like."""
        rows = self._db.execute("SELECT compared, candidates FROM scan WHERE query = ? AND key = ?", (query, key))
        row = rows.fetchone()
        if row is None:
            return Scan(0, {})
        return Scan(row[0], {source: [(r, s) for r, s in best] for source, best in json.loads(row[1]).items()})

    def put_scan(self, query: str, key: str, scan: Scan) -> None:
        """Keep how far a query was compared."""
        values = (query, key, scan.compared, json.dumps(scan.candidates))
        self._db.execute("INSERT OR REPLACE INTO scan VALUES (?, ?, ?, ?)", values)

    def kept(self, kind: str, name: str, key: str) -> str | None:
        """What was kept under this key: of all that it was made of, such as versions and candidates."""
        query = "SELECT body FROM kept WHERE kind = ? AND name = ? AND key = ?"
        row = self._db.execute(query, (kind, name, key)).fetchone()
        return row and row[0]

    def key_of(self, kind: str, name: str) -> str | None:
        """The key that something is kept under."""
        row = self._db.execute("SELECT key FROM kept WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        return row and row[0]

    def keep(self, kind: str, name: str, key: str, body: str) -> None:
        """Keep something; what was kept of it before goes."""
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", (kind, name, key, body))

    def described(self) -> set[tuple[str, str, str]]:
        """View, name and identity of every description that is kept."""
        return set(self._db.execute("SELECT view, name, identity FROM description"))

    def put_description(self, view: str, name: str, identity: str, packed: bytes) -> None:
        """Keep a description; one of another identity goes."""
        self._db.execute("INSERT OR REPLACE INTO description VALUES (?, ?, ?, ?)", (view, name, identity, packed))

    def _discard_other_versions(self) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            return
        tables = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        drops = "".join(f"DROP TABLE {name};" for (name,) in tables)
        self._db.executescript(f"BEGIN IMMEDIATE; {drops} PRAGMA user_version = {VERSION}; COMMIT;")

    def _cut_unfinished_record(self) -> None:
        wanted = self.rows() * RECORD.itemsize
        if os.fstat(self._records.fileno()).st_size < wanted:
            raise WorkError(f"{self.folder}: its file of references was cut short; delete the folder to start again")
        self._records.truncate(wanted)
