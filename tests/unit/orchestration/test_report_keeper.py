"""When the report is written again while `twig ui` runs."""

import os
import sys
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests.unit.reports.filler import DEMO, Filler
from twig_assets.campaign import Campaign, load_campaign
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import AllowedElement, Prompt, PromptBatch
from twig_assets.catalog.store import ArtifactStore
from twig_assets.orchestration import report_keeper
from twig_assets.orchestration.report_keeper import ReportKeeper


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportKeeper:
    """A keeper whose reports are a file that grows by the name of a campaign each time."""
    written = tmp_path / "written"
    monkeypatch.setattr(report_keeper, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(report_keeper, "_PAUSE_PER_SECOND", 0.0)
    write = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
    monkeypatch.setattr(ReportKeeper, "command", lambda _, name: [sys.executable, "-c", write, str(written), name])
    log = (tmp_path / "log").open("ab")
    return ReportKeeper(DEMO.parent, ["demo"], f"sqlite:///{tmp_path}/catalog.db", log, dict(os.environ))


def written(keeper: ReportKeeper, folder: Path) -> list[str]:
    """The reports that were written, after looks and all that comes of them."""
    for _ in range(3):
        keeper.look()
        for process in keeper.processes:
            process.wait(60)
    keeper.look()
    return (folder / "written").read_text().split() if (folder / "written").exists() else []


def fill(session: Session, folder: Path, name: str) -> None:
    Filler(session, ArtifactStore(str(folder / "artifacts")), campaign(name)).prompt("an owl")


def campaign(name: str) -> Campaign:
    return load_campaign("demo", DEMO.parent).model_copy(update={"name": name})


def test_it_is_written_once_for_everything_that_changes_and_not_without_a_reason(
    keeper: ReportKeeper, tmp_path: Path
) -> None:
    assert written(keeper, tmp_path) == [], "there is no catalog yet"
    catalog = open_catalog(keeper.url)
    assert written(keeper, tmp_path) == [], "there are no prompts yet"
    with catalog.session() as session:
        fill(session, tmp_path, "demo")
    assert [written(keeper, tmp_path) for _ in range(2)] == [["demo"], ["demo"]]
    with catalog.session() as session:
        session.add(Prompt(batch_key="demo-000", position=1, text="a fox", seed=1, sha256="1" * 64))
    assert [written(keeper, tmp_path) for _ in range(2)] == [["demo"] * 2, ["demo"] * 2]
    catalog.close()


def test_only_the_reports_of_campaigns_that_changed_are_written(keeper: ReportKeeper, tmp_path: Path) -> None:
    keeper.names = ["demo", "other"]
    catalog = open_catalog(keeper.url)
    with catalog.session() as session:
        fill(session, tmp_path, "demo")
        session.add(PromptBatch(key="other-000", campaign="other"))
        session.flush()
        session.add(Prompt(batch_key="other-000", position=0, text="a fox", seed=1, sha256="1" * 64))
    assert written(keeper, tmp_path) == ["demo", "other"]
    with catalog.session() as session:
        session.add(Prompt(batch_key="other-000", position=1, text="an owl", seed=1, sha256="2" * 64))
    assert written(keeper, tmp_path)[2:] == ["other"]
    with catalog.session() as session:
        session.add(element("demo"))
    assert written(keeper, tmp_path)[3:] == ["demo"]
    with catalog.session() as session:
        session.add(element(None))
    assert written(keeper, tmp_path)[4:] == ["demo", "other"]
    catalog.close()


def element(campaign: str | None) -> AllowedElement:
    fields = {"work_sha256": "a" * 64, "title": "a logo", "kind": "licensed", "who": "Ada", "why": "ours"}
    return AllowedElement(campaign=campaign, decision="allow", **fields)
