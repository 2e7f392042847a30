"""Faults of clocks and of people's hands: the time set back, artifacts deleted or altered, a policy mistyped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
from sqlalchemy import select

from twig_assets.bench.campaigns.end_state import end_state, verification_findings
from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, run_again
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.undisturbed import ALL_FAIL, POLICY, UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Location, Workspace, sensor_context
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


def sensor_raises(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A sensor meets a policy that cannot be read and says so; the others go on, and its next tick makes up for it."""
    undisturbed.finished.copy_to(workspace)
    workspace.write("policy.yaml", {"ssim_threshold": "high"})
    with workspace.entered() as location:
        message = _tick(location, ssim_violations).skip_message or ""
        if "FAILED" not in message:
            raise NotInjectedError("the sensor could read the policy")
        skipped = [_tick(location, sensor).skip_message for sensor in (campaign_partitions, prompt_inbox)]
        workspace.write("policy.yaml", ALL_FAIL)
        requests = [request.partition_key for request in _tick(location, ssim_violations).run_requests]
        with open_catalog(catalog_url()).session() as session:
            published = session.scalars(select(models.Release).where(models.Release.withdrawn_at.is_(None))).all()
    problems = [] if "policy.yaml" in message and all(skipped) else [f"it said {message!r}, the others {skipped}"]
    problems += [] if not published and requests else [f"still published: {len(published)}, asked for {requests}"]
    return [*problems, *run_again(workspace, undisturbed.strict)]


def _tick(location: Location, sensor: dg.SensorDefinition) -> Any:
    with sensor_context(location, sensor) as context:
        return sensor.evaluate_tick(context)


HAND_FAULTS = named(clock_set_back, artifact_deleted, artifact_altered, sensor_raises)
