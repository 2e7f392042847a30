"""A few of the faults that `twig bench faults` injects, and that it notices what they do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from tests.integration import conftest
from tests.integration.conftest import ROOT, Ended
from twig_assets.bench.campaigns import writer
from twig_assets.bench.campaigns.end_state import differences, end_state, unlisted_garbage, verification_findings
from twig_assets.bench.campaigns.fault_cases import all_faults
from twig_assets.bench.campaigns.undisturbed import CAMPAIGN
from twig_assets.bench.campaigns.workspace import NAME, Workspace
from twig_assets.campaign import load_campaign
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit
from twig_assets.evidence.checks import check_ledger


def test_a_killed_run_comes_to_the_same_end_as_an_undisturbed_one(
    workspace: conftest.CampaignWorkspace, first_run: tuple[conftest.CampaignWorkspace, Ended]
) -> None:
    with first_run[0].in_environment():
        expected = end_state()
    point = [
        "similarity_audits",
        "before commit",
        "3",
        "--",
        "run",
        "--campaign",
        "tiny",
        "--root",
        str(workspace.root),
    ]
    killed = subprocess.run(
        [sys.executable, "-m", "twig_assets.bench.campaigns.kill_points", *point],
        cwd=ROOT,
        env={**os.environ, **workspace.environment()},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with workspace.in_environment():
        assert len(differences(end_state(), expected)) >= 2, "audits and releases are missing"
    ended = workspace.run()
    assert ended.code == 0, ended.text
    with workspace.in_environment():
        assert (differences(end_state(), expected), verification_findings(), unlisted_garbage()) == ([], [], [])


def test_processes_that_write_at_once_lose_nothing_and_keep_one_chain(database_url: str) -> None:
    writer.shared_rows(database_url)
    command = [sys.executable, "-m", "twig_assets.bench.campaigns.writer", database_url]
    running = [subprocess.Popen([*command, f"batch-{n}", "8"], cwd=ROOT) for n in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    catalog = open_catalog(database_url)
    with catalog.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(Audit)) == 32
        assert list(check_ledger(session.connection())) == []
    catalog.close()


def test_the_campaign_that_faults_are_injected_into_can_be_read(tmp_path: Path) -> None:
    Workspace(tmp_path).write("campaign.yaml", CAMPAIGN)
    assert load_campaign(NAME, Workspace(tmp_path).root).max_attempts == 2


def test_at_least_seventy_faults_are_injected_each_under_a_name_of_its_own() -> None:
    names = [name for name, _ in all_faults("default")]
    every = [name for name, _ in all_faults("full")]
    assert len(set(names)) == len(names) >= 70
    assert set(names) < set(every)
    assert len(set(every)) == len(every) == 103
    assert sum(name.startswith("kill -9") for name in every) == 25
