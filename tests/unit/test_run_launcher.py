"""Runs whose process is gone, told from those that go on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from twig_assets import run_launcher
from twig_assets.run_launcher import PROCESS, RunLauncher, fail_dead_runs, this_process, why_dead

LAUNCHED = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "s"})}


@dg.job
def work() -> None:
    """A job."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


def started(instance: dg.DagsterInstance, pid: int | None = None, **tags: str) -> dg.DagsterRun:
    run = instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED, tags=tags)
    if pid is not None:
        instance.report_engine_event(
            f"Started process for run (pid: {pid}).", run, dg._core.events.EngineEventData.in_process(pid)
        )
    return run


@pytest.fixture
def ended_process() -> int:
    """The number that a process had which is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_of_this_process_goes_on(instance: dg.DagsterInstance) -> None:
    run = started(instance, **this_process())
    assert why_dead(instance, run) == ""
    assert fail_dead_runs(instance) == []


def test_a_run_that_was_launched_goes_on_for_as_long_as_its_process_does(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = started(instance, process.pid, **LAUNCHED)
    launcher = RunLauncher()
    launcher.register_instance(instance)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert why_dead(instance, run) != "", "dead, but not buried by its parent yet"
    process.wait()
    found = launcher.check_run_worker_health(run)
    assert (found.status, str(process.pid) in str(found.msg)) == (WorkerStatus.NOT_FOUND, True)


def test_dead_runs_are_marked_as_failed_and_others_left_alone(instance: dg.DagsterInstance, ended_process: int) -> None:
    host = this_process()[PROCESS].rpartition(":")[0]
    dead = [started(instance, **{PROCESS: f"{host}:{ended_process}"}), started(instance, ended_process, **LAUNCHED)]
    unsure = [
        started(instance, **{PROCESS: f"elsewhere:{ended_process}"}),
        started(instance, **LAUNCHED),
        started(instance, ended_process),
    ]
    assert sorted(fail_dead_runs(instance)) == sorted(run.run_id for run in dead)
    statuses = [instance.get_run_by_id(run.run_id).status.value for run in [*dead, *unsure]]
    assert statuses == ["FAILURE"] * 2 + ["STARTED"] * 3
    assert fail_dead_runs(instance) == []


def test_a_later_process_with_the_same_number_is_another_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, **this_process())
    monkeypatch.setattr(run_launcher.psutil.Process, "create_time", lambda process: 4e9)
    assert "is gone" in why_dead(instance, run)
