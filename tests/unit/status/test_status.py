"""What is said of an installation: counts, what is wrong, and no secret."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.cli import app
from twig_assets.status import CampaignStatus, DagsterStatus, Disk, InstallationStatus, Ticks, installation_status
from twig_assets.status.collect import catalog_problem
from twig_assets.status.metrics import metrics

PROMPTS = 3


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    for name in ("DAGSTER_HOME", "TWIG_CATALOG_URL", "TWIG_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "campaigns" / "demo").mkdir(parents=True)
    (tmp_path / "campaigns" / "demo" / "campaign.yaml").write_text("title: Demo\n")
    return tmp_path


def filled(place: Path) -> Catalog:
    catalog = open_catalog(f"sqlite:///{place / 'home' / 'catalog.db'}")
    with catalog.session() as session:
        Filled(session, PROMPTS)
    return catalog


def asked(place: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["status", "--root", str(place / "campaigns"), *options])
    return done.exit_code, done.output


def test_a_catalog_that_is_not_there_is_said_and_the_exit_status_is_1(at_home: Path) -> None:
    code, output = asked(at_home, "--json")
    said = json.loads(output)
    assert code == 1
    assert "there is no catalog" in said["catalog"]
    assert [campaign["name"] for campaign in said["campaigns"]] == ["demo"]


def test_prompts_queues_and_the_head_of_the_ledger_are_counted(at_home: Path) -> None:
    catalog = filled(at_home)
    said = installation_status(lambda: catalog, at_home / "campaigns")
    assert said.catalog is None
    [campaign] = said.campaigns
    assert campaign.asked == PROMPTS
    assert said.ledger is not None
    assert said.ledger.sequence > 0
    assert said.disks


def test_a_database_that_accepts_and_never_answers_is_given_up(at_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql+psycopg://ada:secret-word@127.0.0.1:{server.getsockname()[1]}/twig"
        problem = catalog_problem(lambda: open_catalog(url), seconds=0.5)
    assert problem == "it has not answered within 0.5 seconds"


def test_what_somebody_should_see_to_is_said_in_sentences() -> None:
    ticks = (
        Ticks(name="missing_work", status="failure", error="no such table"),
        Ticks(name="time_stamps", status="none"),
    )
    said = InstallationStatus(
        at=datetime(2026, 11, 29, tzinfo=UTC),
        disks=(Disk(what="the state folder", free=1, size=100),),
        dagster=DagsterStatus(daemon=False, queued=0, going_on=0, failed=2, ticks=ticks),
    )
    assert [trouble.split(";")[0] for trouble in said.troubles] == [
        "Dagster's daemon does not run, so nothing works by itself",
        "runs that failed within the last day: 2",
        "the last tick of missing_work failed: no such table",
        "the disk of the state folder is nearly full: 0.0 GB of 0.0 left",
    ]


def test_a_partition_whose_run_was_cancelled_is_said_to_wait() -> None:
    campaign = CampaignStatus(name="demo", lacks={"demo-003": "images of 2 of 64 prompts"}, edited=1)
    dagster = DagsterStatus(daemon=True, queued=0, going_on=0, failed=0, cancelled=("demo-003", "demo-004"))
    said = InstallationStatus(at=datetime(2026, 11, 29, tzinfo=UTC), campaigns=(campaign,), dagster=dagster)
    assert [trouble.split(";")[0] for trouble in said.troubles] == [
        "campaign demo: prompts that were changed after they had been drawn, and are not drawn again: 1",
        "campaign demo: demo-003 waits for images of 2 of 64 prompts: its last run was cancelled",
    ]


def test_metrics_are_what_prometheus_reads(at_home: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    catalog = filled(at_home)
    said = installation_status(lambda: catalog, at_home / "campaigns")
    families = {family.name: family for family in text_string_to_metric_families(metrics(said).decode())}
    counted = {sample.labels["state"]: sample.value for sample in families["twig_prompts"].samples}
    assert counted["asked"] == PROMPTS
    assert families["twig_catalog_up"].samples[0].value == 1
    assert {sample.labels["queue"] for sample in families["twig_queue_length"].samples} >= {"inbox", "people", "mlflow"}
