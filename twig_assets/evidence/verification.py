"""`twig verify`: all checks of the catalog, its artifacts, and the heads of its ledger that reports have kept."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.orm import Session

from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.database import open_existing_catalog
from twig_assets.catalog.ledger import Head, head
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.checks import Anchor, Finding, check_anchors, check_artifacts, check_ledger, check_names
from twig_assets.evidence.release_checks import check_releases
from twig_assets.settings.home import artifact_root, catalog_url, home


class HeadError(ValueError):
    """A ledger's head that is not written as `SEQUENCE:SHA256`."""


class _Ledger(BaseModel):
    model_config = ConfigDict(frozen=True)

    sequence: int
    sha256: str


class _Report(BaseModel):
    """The part of a report's JSON that matters here."""

    model_config = ConfigDict(frozen=True)

    ledger: _Ledger | None = None


@dataclass(frozen=True)
class Verification:
    """The outcome of a verification.

    Attributes:
        findings: Everything that is not as it was recorded.
        head: The ledger's newest entry; None while it is empty.
    """

    findings: list[Finding]
    head: Head | None

    def to_json(self) -> str:
        """The same as one JSON object."""
        return json.dumps(asdict(self), indent=2)

    def summary(self) -> str:
        """The outcome in a few lines."""
        outcome = f"{len(self.findings)} findings." if self.findings else "Everything is as it was recorded."
        if self.head is None:
            return f"{outcome} The ledger is empty."
        return (
            f"{outcome} The ledger's head is {self.head.sequence}:{self.head.sha256}\n"
            "Keep it elsewhere: without it, nobody can show later that the newest entries were cut off."
        )


def verify_everything(kept: Iterable[str]) -> Verification:
    """Check catalog and artifacts against the ledger, and the ledger against its heads in reports and in `kept`.

    Args:
        kept: Heads that a person kept, as `SEQUENCE:SHA256`.

    Raises:
        HeadError: For one that is written otherwise.
        SchemaError: When the catalog cannot be read or does not fit this version.
    """
    anchors = [_parse_head(text) for text in kept]
    catalog = open_existing_catalog(catalog_url())
    try:
        with catalog.snapshot() as session:
            return Verification(list(_findings(session, anchors)), head(session.connection()))
    finally:
        catalog.close()


def _findings(session: Session, kept: list[Anchor]) -> Iterator[Finding]:
    anchors, unreadable = _heads_in_reports(home() / "reports")
    yield from check_ledger(session.connection())
    yield from unreadable
    yield from check_anchors(session.connection(), [*anchors, *kept])
    yield from check_names(session)
    yield from check_releases(session)
    yield from check_artifacts(ArtifactStore(artifact_root()), needed_artifacts(session))


def _heads_in_reports(folder: Path) -> tuple[list[Anchor], list[Finding]]:
    anchors, unreadable = [], []
    for path in sorted(folder.rglob("*.json")):
        try:
            ledger = _Report.model_validate_json(path.read_bytes()).ledger
        except (OSError, ValidationError):
            unreadable.append(Finding(str(path), "cannot be read as a report: it was altered or damaged"))
            continue
        if ledger:
            anchors.append(Anchor(str(path), Head(ledger.sequence, ledger.sha256)))
    return anchors, unreadable


def _parse_head(text: str) -> Anchor:
    if not re.fullmatch(r"[1-9][0-9]{0,8}:[0-9a-f]{64}", text):
        raise HeadError(f"--head {text}: is not a ledger's head; give it as SEQUENCE:SHA256, as reports print it")
    sequence, sha256 = text.split(":")
    return Anchor(f"--head {text}", Head(int(sequence), sha256))
