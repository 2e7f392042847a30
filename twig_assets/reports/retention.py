"""Removing what is older than a campaign wants to keep: dated reports, their pages, and small pictures nobody shows."""

import re
import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import ReportFile, utc_now
from twig_assets.catalog.store import ArtifactStore
from twig_assets.reports.render import PICTURES
from twig_assets.settings.retention import RetentionSettings
from twig_assets.similarity import read_part

_DATED = re.compile(r"report-([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)\.(html|json)")
_SHOWN = re.compile(rf"{PICTURES}/([0-9a-f]{{2}}/[0-9a-f]+\.(?:png|webp))")
_DAY = 86400.0


def remove_old(campaign: Campaign, catalog: Catalog, store: ArtifactStore, folder: Path) -> list[str]:
    """Remove the dated reports and small pictures that the campaign does not keep any longer.

    Every removal of a report is a row that the ledger chains, written before the file goes; what is interrupted is
    taken up by the next report. The artifact store's copy of a main page goes too, unless a report that stays has the
    same.

    Args:
        campaign: Whose reports; its policy says how long they are kept.
        catalog: Knows them.
        store: Has a copy of every dated main page.
        folder: The campaign's folder of reports.

    Returns:
        The names of the reports' files that were removed.

    Raises:
        OSError: If a file cannot be removed.
        PolicyError: If the policy cannot be read.
    """
    settings = read_part(campaign.policy_file, RetentionSettings)
    with catalog.session() as session:
        gone = _write_down(session, campaign.name, settings)
        kept = set(session.scalars(select(ReportFile.sha256).where(ReportFile.id.in_(_newest()), ~_is_removed())))
    for row in gone:
        name = Path(row.file).name
        stamp = _DATED.fullmatch(name)
        assert stamp is not None, "only dated reports were looked for"
        (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / f"pages-{stamp[1]}", ignore_errors=True)
        if name.endswith(".html") and row.sha256 not in kept:
            store.path(row.sha256, "html").unlink(missing_ok=True)
    if settings.picture_days is not None:
        _remove_pictures(folder, settings.picture_days)
    return [Path(row.file).name for row in gone]


def _write_down(session: Session, campaign: str, settings: RetentionSettings) -> Sequence[ReportFile]:
    """Rows of all removals that are to be there, those of earlier ones whose file may still lie there included."""
    rows = session.scalars(
        select(ReportFile)
        .where(ReportFile.campaign == campaign, ReportFile.id.in_(_newest()))
        .order_by(ReportFile.at.desc(), ReportFile.id.desc())
    ).all()
    removed = [row for row in rows if row.removed is not None]
    if settings.dated_days is None:
        return removed
    dated = [row for row in rows if row.removed is None and _DATED.fullmatch(Path(row.file).name)]
    stamps = list(dict.fromkeys(Path(row.file).stem for row in dated))
    before = utc_now() - timedelta(days=settings.dated_days)
    why = f"older than {settings.dated_days} days (retention.dated_days of policy.yaml)"
    new = [
        ReportFile(campaign=campaign, file=row.file, sha256=row.sha256, removed=why)
        for row in dated
        if row.at < before and Path(row.file).stem not in stamps[: settings.keep_newest]
    ]
    session.add_all(new)
    return [*removed, *new]


def _newest():  # type: ignore[no-untyped-def]
    return select(func.max(ReportFile.id)).group_by(ReportFile.file)


def _is_removed():  # type: ignore[no-untyped-def]
    return ReportFile.removed.is_not(None)


def _remove_pictures(folder: Path, days: int) -> None:
    """Remove small pictures that no page that is left shows, if they were made more than `days` days ago."""
    shown: set[str] = set()
    for page in folder.glob("pages-*/*.html"):
        shown.update(_SHOWN.findall(page.read_text(encoding="utf-8")))
    before = time.time() - days * _DAY
    for picture in (folder / PICTURES).glob("??/*.*"):
        if f"{picture.parent.name}/{picture.name}" not in shown and picture.stat().st_mtime < before:
            picture.unlink(missing_ok=True)
