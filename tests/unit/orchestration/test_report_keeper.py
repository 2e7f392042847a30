"""When the report is written again while `twig ui` runs."""

import os
import sys
from pathlib import Path

import pytest

from tests.unit.reports.filler import DEMO, Filler
from twig_assets.campaign import load_campaign
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Prompt
from twig_assets.catalog.store import ArtifactStore
from twig_assets.orchestration import report_keeper
from twig_assets.orchestration.report_keeper import ReportKeeper


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportKeeper:
    """A keeper whose report is a file that grows by a letter each time."""
    written = tmp_path / "written"
    monkeypatch.setattr(report_keeper, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(report_keeper, "_PAUSE_PER_SECOND", 0.0)
    monkeypatch.setattr(
        ReportKeeper, "command", lambda *_: [sys.executable, "-c", f"open({str(written)!r}, 'a').write('x')"]
    )
    log = (tmp_path / "log").open("ab")
    return ReportKeeper(DEMO.parent, ["demo"], f"sqlite:///{tmp_path}/catalog.db", log, dict(os.environ))


def written(keeper: ReportKeeper, folder: Path) -> int:
    """How often the report was written, after a look and all that comes of it."""
    keeper.look()
    for process in keeper.processes:
        process.wait(60)
    keeper.look()
    return len((folder / "written").read_text()) if (folder / "written").exists() else 0


def test_it_is_written_once_for_everything_that_changes_and_not_without_a_reason(
    keeper: ReportKeeper, tmp_path: Path
) -> None:
    assert written(keeper, tmp_path) == 0, "there is no catalog yet"
    catalog = open_catalog(keeper.url)
    assert written(keeper, tmp_path) == 0, "there are no prompts yet"
    with catalog.session() as session:
        Filler(session, ArtifactStore(str(tmp_path / "artifacts")), load_campaign("demo", DEMO.parent)).prompt("an owl")
    assert [written(keeper, tmp_path) for _ in range(2)] == [1, 1]
    with catalog.session() as session:
        session.add(Prompt(batch_key="demo-000", position=1, text="a fox", seed=1, sha256="1" * 64))
    assert [written(keeper, tmp_path) for _ in range(2)] == [2, 2]
    catalog.close()
