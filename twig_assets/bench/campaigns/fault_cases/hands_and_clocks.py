"""Faults of clocks and of people's hands: the time set back, artifacts deleted or altered, a policy mistyped."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import select

from twig_assets.bench.campaigns.end_state import end_state, verification_findings
from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, run_again, tick
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.undisturbed import ALL_FAIL, POLICY, UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace, materialize
from twig_assets.catalog import models
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.sensors import campaign_partitions, prompt_inbox, ssim_violations
from twig_assets.settings.home import artifact_root, catalog_url


def clock_set_back(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The clock is a day behind when the policy becomes strict, and a day behind that when it is loosened again."""
    on_time = undisturbed.strict_workspace.copy_to(Workspace(workspace.folder / "on-time"))
    on_time.write("policy.yaml", POLICY)
    assert run_in_this_process(on_time) == ""
    with on_time.entered():
        loosened = end_state()
    undisturbed.finished.copy_to(workspace)
    problems = []
    for days, policy, expected in ((1, ALL_FAIL, undisturbed.strict), (2, POLICY, loosened)):
        workspace.write("policy.yaml", policy)
        with _clock_behind(timedelta(days=days)):
            problems += run_again(workspace, expected)
    return problems


def clock_ahead(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The clock is ten years ahead for a run, and right again for the next."""
    undisturbed.finished.copy_to(workspace)
    with _clock_behind(timedelta(days=-3650)):
        problems = run_again(workspace, undisturbed.state)
    return [*problems, *run_again(workspace, undisturbed.state)]


def clock_ahead_with_retention(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The clock is ten years ahead where dated reports are kept for a month: the newest stay all the same."""
    undisturbed.finished.copy_to(workspace)
    reports = workspace.home / "reports" / workspace.name
    workspace.write("policy.yaml", {**POLICY, "retention": {"dated_days": 30, "keep_newest": 2}})
    problems = run_again(workspace, undisturbed.state)
    with workspace.entered() as location:
        materialize(location, ["compliance_report"], workspace.name)
        before = len(list(reports.glob("report-*.html")))
        with _clock_behind(timedelta(days=-3650)):
            materialize(location, ["compliance_report"], workspace.name)
        after = len(list(reports.glob("report-*.html")))
    problems += [] if after >= min(before + 1, 2) else [f"{after} dated reports are left of {before}"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def files_of_the_future(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The campaign's files were last changed in the year 2050."""
    undisturbed.finished.copy_to(workspace)
    for file in workspace.campaign.rglob("*"):
        os.utime(file, (2_524_608_000, 2_524_608_000))
    return run_again(workspace, undisturbed.state)


@contextmanager
def _clock_behind(by: timedelta) -> Iterator[None]:
    """Let `time.time` and the catalog's timestamps be behind until the `with` block ends."""

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - by

    plain = time.time
    with patch.object(models, "datetime", SetBack), patch.object(time, "time", lambda: plain() - by.total_seconds()):
        yield


def artifact_deleted(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A published image is deleted by hand."""
    return _tampered(undisturbed, workspace, lambda path: path.unlink(), "no such artifact")


def artifact_altered(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A byte of a published image is changed by hand."""

    def alter(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)

    return _tampered(undisturbed, workspace, alter, "was altered")


def _tampered(
    undisturbed: UndisturbedRuns, workspace: Workspace, tamper: Callable[[Path], object], problem: str
) -> list[str]:
    """Verification must name the file, a run must stop and name it too, and all is well when the file is put back."""
    undisturbed.finished.copy_to(workspace)
    sha256 = undisturbed.state["released"][0][1]
    with workspace.entered():
        path = Path(str(ArtifactStore(artifact_root()).path(sha256, "png")))
        content = path.read_bytes()
        tamper(path)
        findings = verification_findings()
    detected = len(findings) == 1 and sha256 in findings[0] and problem in findings[0]
    problems = [] if detected else [f"verify says {findings}"]
    error = run_in_this_process(workspace)
    problems += [] if sha256 in error else [f"the run does not name it: {error!r}"]
    path.write_bytes(content)
    return [*problems, *run_again(workspace, undisturbed.state)]


def verdict_altered(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A verdict is changed in the database by hand."""
    return _row_altered(undisturbed, workspace, "audit", "UPDATE audit SET verdict = 'pass' WHERE verdict = 'fail'")


def release_altered(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A release is made to name another image by hand."""
    change = "UPDATE release SET image_id = (SELECT min(id) FROM image) WHERE id = (SELECT max(id) FROM release)"
    return _row_altered(undisturbed, workspace, "release", change)


def prompt_altered(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The text of a prompt that was drawn is changed in the database by hand."""
    return _row_altered(undisturbed, workspace, "prompt", "UPDATE prompt SET text = 'a harmless picture' WHERE id = 1")


def ledger_cut(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The newest ten entries of the ledger are deleted by hand."""
    cut = "DELETE FROM ledger_entry WHERE sequence > (SELECT max(sequence) - 10 FROM ledger_entry)"
    return _row_altered(undisturbed, workspace, "ledger_entry", cut)


def guards_dropped(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The triggers that keep verdicts from being changed are dropped, and nothing is changed."""
    return _row_altered(undisturbed, workspace, "audit", "SELECT 1")


def _row_altered(undisturbed: UndisturbedRuns, workspace: Workspace, table: str, change: str) -> list[str]:
    """Drop the table's triggers, change it, and put the file back once verification has found that."""
    undisturbed.finished.copy_to(workspace)
    file, kept = workspace.home / "catalog.db", workspace.folder / "kept.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(file, kept)
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change)
    connection.close()
    with workspace.entered():
        findings = verification_findings()
    problems = [] if findings else ["verify finds nothing"]
    for side in (*workspace.home.glob("catalog.db-wal"), *workspace.home.glob("catalog.db-shm")):
        side.unlink()
    shutil.copy(kept, file)
    return [*problems, *run_again(workspace, undisturbed.state)]


def sensor_raises(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A sensor meets a policy that cannot be read and says so; the others go on, and its next tick makes up for it."""
    undisturbed.finished.copy_to(workspace)
    workspace.write("policy.yaml", {"ssim_threshold": "high"})
    with workspace.entered() as location:
        message = tick(location, ssim_violations).skip_message or ""
        if "FAILED" not in message:
            raise NotInjectedError("the sensor could read the policy")
        skipped = [tick(location, sensor).skip_message for sensor in (campaign_partitions, prompt_inbox)]
        workspace.write("policy.yaml", ALL_FAIL)
        requests = [request.partition_key for request in tick(location, ssim_violations).run_requests]
        with open_catalog(catalog_url()).session() as session:
            published = session.scalars(select(models.Release).where(models.Release.withdrawn_at.is_(None))).all()
    problems = [] if "policy.yaml" in message and all(skipped) else [f"it said {message!r}, the others {skipped}"]
    problems += [] if not published and requests else [f"still published: {len(published)}, asked for {requests}"]
    return [*problems, *run_again(workspace, undisturbed.strict)]


HAND_FAULTS = named(
    clock_set_back,
    clock_ahead,
    clock_ahead_with_retention,
    files_of_the_future,
    artifact_deleted,
    artifact_altered,
    verdict_altered,
    release_altered,
    prompt_altered,
    ledger_cut,
    guards_dropped,
    sensor_raises,
)
