"""Keeps the reports up to date while `twig ui` runs: they are written again when something has changed."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Select, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from twig_assets.catalog.database import Catalog, SchemaError, open_existing_catalog
from twig_assets.catalog.models import (
    Adherence,
    AllowedElement,
    Audit,
    Image,
    PolicyChange,
    Prompt,
    PromptBatch,
    RedrawRequest,
    Release,
    Review,
    UnreadDecision,
    UnreadWork,
)

_OF_PROMPTS: Mapping[Any, tuple[Any, ...]] = {
    Prompt: (),
    Image: (Image.prompt,),
    Audit: (Audit.image, Image.prompt),
    Adherence: (Adherence.image, Image.prompt),
    Review: (Review.audit, Audit.image, Image.prompt),
    Release: (Release.prompt,),
    RedrawRequest: (RedrawRequest.prompt,),
}
"""Tables that only grow, and how the prompts of their rows are found."""
_OF_CAMPAIGNS: tuple[Any, ...] = (UnreadDecision, UnreadWork, AllowedElement, PolicyChange)
"""Tables that only grow and whose rows name their campaign."""
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
    _marks: dict[Any, Any] = field(default_factory=dict)
    _files: dict[str, list[int]] = field(default_factory=dict)
    _due: set[str] = field(default_factory=set)
    _started: float = 0.0
    _not_before: float = 0.0

    def look(self) -> None:
        """Begin to write a report if its campaign has changed since, unless one is being written, or was just now."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            self._not_before = now + max(_PAUSE_SECONDS, _PAUSE_PER_SECOND * (now - self._started))
        if now < self._not_before:
            return
        self._due |= self._changed_rows()
        if not self._marks:
            return
        for name in self.names:
            files = [_changed(self.root / name / file) for file in _FILES]
            self._due |= {name} if files != self._files.setdefault(name, files) else set()
            self._files[name] = files
        due = next((name for name in self.names if name in self._due), None)
        if due is not None:
            self._due.remove(due)
            self._started = now
            self._process = subprocess.Popen(
                self.command(due), env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
            )

    @property
    def processes(self) -> "list[subprocess.Popen[bytes]]":
        """The process that writes, if there is one."""
        return [self._process] if self._process is not None else []

    def command(self, name: str) -> list[str]:
        """The command line that writes a campaign's report."""
        root = str(self.root.absolute())
        return [sys.executable, "-m", "twig_assets.cli", "report", "--campaign", name, "--root", root]

    def _changed_rows(self) -> set[str]:
        """The campaigns of which rows have changed since the last look; at first all that have prompts."""
        try:
            self._catalog = self._catalog or open_existing_catalog(self.url)
            with self._catalog.snapshot() as session:
                before, self._marks = self._marks, _marks(session)
                return _campaigns_since(session, before, self._marks)
        except (SchemaError, SQLAlchemyError):
            # There is none yet, or a migration is at work; the servers say so where people look for it.
            return set()


def _marks(session: Session) -> dict[Any, Any]:
    """What changes whenever a report does; empty as long as there is nothing to report."""
    marks = {table: session.scalar(select(func.max(table.id))) or 0 for table in (*_OF_PROMPTS, *_OF_CAMPAIGNS)}
    marks |= {when: session.scalar(select(func.max(when))) for when in (Release.withdrawn_at, UnreadWork.gone_at)}
    return marks if marks[Prompt] else {}


def _campaigns_since(session: Session, before: Mapping[Any, Any], now: Mapping[Any, Any]) -> set[str]:
    if not before:
        return set(session.scalars(select(PromptBatch.campaign).join(Prompt).distinct())) if now else set()
    rows = []
    for table, path in _OF_PROMPTS.items():
        if now[table] > before[table]:
            rows.append(_of_prompts(table, path).where(table.id > before[table]))
    for table in _OF_CAMPAIGNS:
        if now[table] > before[table]:
            rows.append(select(table.campaign).where(table.id > before[table]))
    for when, of_rows in (
        (Release.withdrawn_at, _of_prompts(Release, _OF_PROMPTS[Release])),
        (UnreadWork.gone_at, select(UnreadWork.campaign)),
    ):
        if now[when] != before[when]:
            since = before[when]
            rows.append(of_rows.where(when > since if since is not None else when.is_not(None)))
    changed = {campaign for row in rows for campaign in session.scalars(row.distinct())}
    # What is allowed everywhere names no campaign.
    return changed if None not in changed else set(session.scalars(select(PromptBatch.campaign).distinct()))


def _of_prompts(table: Any, path: Sequence[Any]) -> Select[Any]:
    wanted = select(PromptBatch.campaign).select_from(table)
    for step in (*path, Prompt.batch):
        wanted = wanted.join(step)
    return wanted


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
