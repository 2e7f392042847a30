"""Keeps the reports up to date while `twig ui` runs: they are written again when something has changed."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from twig_assets.catalog.database import Catalog, SchemaError, open_existing_catalog
from twig_assets.catalog.models import Adherence, Audit, Image, Prompt, Release, Review, UnreadDecision, UnreadWork

_GROWING: tuple[Any, ...] = (Prompt, Image, Audit, Adherence, Review, Release, UnreadDecision, UnreadWork)
_FILES = ("campaign.yaml", "policy.yaml", "concepts.yaml")
# A report of a large campaign must not be written without a pause.
_PAUSE_SECONDS, _PAUSE_PER_SECOND = 15.0, 5.0


@dataclass
class ReportKeeper:
    """Looks whether there is something to report, and has `twig report` do it: one process for one campaign at a time.

    Attributes:
        root: The folder of the campaigns.
        names: The campaigns.
        url: Their catalog.
        log: Where that process writes to.
        environment: Of that process.
    """

    root: Path
    names: Sequence[str]
    url: str = field(repr=False)
    log: BinaryIO
    environment: dict[str, str]

    _catalog: Catalog | None = None
    _process: "subprocess.Popen[bytes] | None" = None
    _marks: dict[str, list[Any]] = field(default_factory=dict)
    _started: float = 0.0
    _not_before: float = 0.0

    def look(self) -> None:
        """Begin to write a report if something has changed since, unless one is being written, or was just now."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            self._not_before = now + max(_PAUSE_SECONDS, _PAUSE_PER_SECOND * (now - self._started))
        if now < self._not_before:
            return
        rows = self._read()
        for name in self.names if rows else ():
            marks = rows + [_changed(self.root / name / file) for file in _FILES]
            if marks != self._marks.get(name):
                self._marks[name], self._started = marks, now
                self._process = subprocess.Popen(
                    self.command(name), env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
                )
                return

    @property
    def processes(self) -> "list[subprocess.Popen[bytes]]":
        """The process that writes, if there is one."""
        return [self._process] if self._process is not None else []

    def command(self, name: str) -> list[str]:
        """The command line that writes a campaign's report."""
        root = str(self.root.absolute())
        return [sys.executable, "-m", "twig_assets.cli", "report", "--campaign", name, "--root", root]

    def _read(self) -> list[Any]:
        """What changes whenever the report does; empty as long as there is nothing to report."""
        try:
            self._catalog = self._catalog or open_existing_catalog(self.url)
            with self._catalog.snapshot() as session:
                marks: list[Any] = [session.scalar(select(func.max(table.id))) for table in _GROWING]
                marks += [session.scalar(select(func.max(when))) for when in (Release.withdrawn_at, UnreadWork.gone_at)]
        except (SchemaError, SQLAlchemyError):
            # There is none yet, or a migration is at work; the servers say so where people look for it.
            return []
        return marks if marks[0] is not None else []


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
