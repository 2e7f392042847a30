"""Records that MLflow has not taken yet: a folder with a file for each."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from twig_assets.files import write_whole
from twig_assets.tracking.record import Record


class SpoolError(RuntimeError):
    """A record can be neither sent nor kept, or a kept one cannot be read."""


class Spool:
    """A folder of records that wait.

    A file is complete or not there: it is written under another name, synced and renamed.

    Attributes:
        folder: Where the files are; made by the first that is kept.
    """

    def __init__(self, folder: Path) -> None:
        """Point at a folder."""
        self.folder = folder

    def keep(self, record: Record) -> Path:
        """Write a record down.

        Raises:
            SpoolError: When it cannot be written, as on a full disk.
        """
        path = self.folder / f"{record.made_at:015d}-{record.key}.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, record.model_dump_json(), durable=True)
        except OSError as error:
            raise SpoolError(
                f"{path}: cannot be written: {error}; MLflow does not answer, and its figures cannot be kept either: "
                "make room there and run again"
            ) from error
        return path

    def waiting(self) -> list[Path]:
        """The files of the records that wait, the oldest first."""
        return sorted(self.folder.glob("[0-9]*.json"))

    def read(self, path: Path) -> Record:
        """A record that was kept.

        Raises:
            SpoolError: When the file is not a record.
        """
        try:
            return Record.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise SpoolError(f"{path}: is not a record of figures: {error}; delete it or move it elsewhere") from error

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Whether this process alone may send what waits, until the `with` block ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
