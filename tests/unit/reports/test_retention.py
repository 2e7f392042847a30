"""What retention removes is written down, and nothing else goes."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from twig_assets.campaign import Campaign, load_campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.hashing import sha256_file
from twig_assets.catalog.models import ReportFile, utc_now
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.checks import check_ledger
from twig_assets.evidence.row_checks import check_reports
from twig_assets.reports.retention import remove_old


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}")


def keeping(tmp_path: Path, retention: str) -> Campaign:
    folder = tmp_path / "campaigns" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text("title: Demo\n")
    (folder / "policy.yaml").write_text(f"ssim_threshold: 0.5\nretention: {retention}\n")
    return load_campaign("demo", tmp_path / "campaigns")


def reports(tmp_path: Path, catalog: Catalog, store: ArtifactStore, ages: list[int]) -> Path:
    """Dated reports that are so many days old, the oldest first, each with a page that shows a picture of its own."""
    folder = tmp_path / "reports" / "demo"
    for days in ages:
        at = utc_now() - timedelta(days=days)
        stamp = f"{at:%Y%m%dT%H%M%S.%f}Z"
        picture = folder / "pictures" / "ab" / f"ab{days:04d}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"small")
        os.utime(picture, (time.time() - days * 86400,) * 2)
        (folder / f"pages-{stamp}").mkdir()
        (folder / f"pages-{stamp}" / "page.html").write_text(f'<img src="../pictures/ab/ab{days:04d}.png">')
        with catalog.session() as session:
            for suffix in ("html", "json"):
                file = folder / f"report-{stamp}.{suffix}"
                file.write_text(f"{days} {suffix}")
                session.add(ReportFile(campaign="demo", file=f"demo/{file.name}", sha256=sha256_file(file), at=at))
        store.put_bytes(f"{days} html".encode(), "html")
    return folder


def findings(catalog: Catalog, folder: Path) -> list[str]:
    with catalog.snapshot() as session:
        connection = session.connection()
        return [str(finding) for finding in (*check_reports(connection, folder.parent), *check_ledger(connection))]


def test_without_settings_no_dated_report_goes(tmp_path: Path, catalog: Catalog, store: ArtifactStore) -> None:
    folder = reports(tmp_path, catalog, store, [4000, 1])
    assert remove_old(keeping(tmp_path, "{}"), catalog, store, folder) == []
    assert len(list(folder.glob("report-*"))) == 4


def test_what_is_removed_is_written_down_and_is_no_tampering(
    tmp_path: Path, catalog: Catalog, store: ArtifactStore
) -> None:
    folder = reports(tmp_path, catalog, store, [300, 200, 1])
    campaign = keeping(tmp_path, "{dated_days: 100, keep_newest: 1}")
    assert len(remove_old(campaign, catalog, store, folder)) == 4
    assert [path.read_text() for path in sorted(folder.glob("report-*"))] == ["1 html", "1 json"]
    assert len(list(folder.glob("pages-*"))) == 1
    assert [path.name for path in folder.glob("pictures/*/*")] == ["ab0001.png"]
    assert [file.suffix for file in store.files()] == ["html"]
    with catalog.session() as session:
        why = set(session.scalars(select(ReportFile.removed).where(ReportFile.removed.is_not(None))))
    assert why == {"older than 100 days (retention.dated_days of policy.yaml)"}
    assert findings(catalog, folder) == []
    next(folder.glob("report-*.json")).unlink()
    assert len(findings(catalog, folder)) == 1, "what nobody wrote down is still missing"


def test_a_clock_that_jumped_leaves_the_newest_reports(tmp_path: Path, catalog: Catalog, store: ArtifactStore) -> None:
    folder = reports(tmp_path, catalog, store, [903, 902, 901])
    remove_old(keeping(tmp_path, "{dated_days: 100, keep_newest: 2}"), catalog, store, folder)
    assert len(list(folder.glob("report-*.html"))) == 2


def test_a_removal_that_was_cut_off_is_finished_the_next_time(
    tmp_path: Path, catalog: Catalog, store: ArtifactStore
) -> None:
    folder = reports(tmp_path, catalog, store, [300, 1])
    old = sorted(folder.glob("report-*.html"))[0]
    campaign = keeping(tmp_path, "{dated_days: 100, keep_newest: 1}")
    content = old.read_bytes()
    remove_old(campaign, catalog, store, folder)
    old.write_bytes(content)
    assert findings(catalog, folder) == []
    remove_old(campaign, catalog, store, folder)
    assert not old.exists()
