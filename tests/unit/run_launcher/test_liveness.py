"""Runs whose process is gone, told from those that go on, here or elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from twig_assets.run_launcher import RunLauncher, liveness
from twig_assets.run_launcher.executors import seen_alive
from twig_assets.run_launcher.health import health
from twig_assets.run_launcher.liveness import (
    CLAIMED_IN,
    LAUNCHED_FROM,
    fail_dead_runs,
    living,
    this_place,
    why_dead,
)

LAUNCHED = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "s"}), LAUNCHED_FROM: this_place()}


@dg.job
def work() -> None:
    """A job."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))


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


def tagged(instance: dg.DagsterInstance, run: dg.DagsterRun, tags: dict[str, str]) -> dg.DagsterRun:
    instance.add_run_tags(run.run_id, tags)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


@pytest.fixture
def ended_process() -> int:
    """The number that a process had which is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_is_alive_for_as_long_as_it_has_its_claim_whatever_its_process_is_called(
    instance: dg.DagsterInstance, ended_process: int
) -> None:
    run = started(instance, ended_process, **LAUNCHED)
    with living(run.run_id) as tags:
        run = tagged(instance, run, tags)
        assert why_dead(instance, run) == ""
        assert fail_dead_runs(instance) == []
    assert "its process is gone, wherever it was" in why_dead(instance, run)
    assert fail_dead_runs(instance) == [run.run_id]


def test_a_run_with_a_claim_in_another_database_is_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance)
    with living(run.run_id) as tags:
        pass
    run = tagged(instance, run, tags)
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "of another machine"))
    assert why_dead(instance, run) == ""
    monkeypatch.setenv("TWIG_CATALOG_URL", "postgresql+psycopg://nobody@127.0.0.1:9/nothing?connect_timeout=2")
    assert why_dead(instance, run) == "", "a database that does not answer says nothing"


def test_a_run_that_was_launched_and_made_no_claim_yet_is_judged_by_its_process(instance: dg.DagsterInstance) -> None:
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


def test_runs_that_cannot_be_seen_are_left_alone(instance: dg.DagsterInstance, ended_process: int) -> None:
    dead = [started(instance, ended_process, **LAUNCHED)]
    boot, processes = this_place().split(":", 1)
    unsure = [
        started(instance, ended_process, **{**LAUNCHED, LAUNCHED_FROM: f"another-boot:{processes}"}),
        started(instance, ended_process, **{**LAUNCHED, LAUNCHED_FROM: f"{boot}:pid:[1]"}),
        started(instance, ended_process, **{GRPC_INFO_TAG: LAUNCHED[GRPC_INFO_TAG]}),
        started(
            instance, ended_process, **{**LAUNCHED, GRPC_INFO_TAG: json.dumps({"host": "localhost", "port": 4000})}
        ),
        started(instance, **LAUNCHED),
        started(instance, ended_process),
    ]
    assert fail_dead_runs(instance) == [run.run_id for run in dead]
    statuses = [instance.get_run_by_id(run.run_id).status.value for run in [*dead, *unsure]]
    assert statuses == ["FAILURE"] + ["STARTED"] * len(unsure)
    assert fail_dead_runs(instance) == []


def test_a_later_process_with_the_same_number_is_another_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, os.getpid(), **LAUNCHED)
    assert why_dead(instance, run) == ""
    monkeypatch.setattr(liveness.psutil.Process, "create_time", lambda process: 4e9)
    assert "is gone" in why_dead(instance, run)


def test_slots_of_a_dead_run_in_a_pool_get_free(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    with living(run.run_id) as tags:
        tagged(instance, run, tags)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", run.run_id, "draw").is_claimed
    fail_dead_runs(instance)
    assert storage.claim_concurrency_slot("gpu", "another", "draw").is_claimed


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (WorkerStatus.FAILED, WorkerStatus.FAILED),
        (WorkerStatus.SUCCESS, WorkerStatus.SUCCESS),
        (WorkerStatus.UNKNOWN, WorkerStatus.RUNNING),
        (WorkerStatus.NOT_FOUND, WorkerStatus.RUNNING),
    ],
)
def test_a_cluster_is_believed_only_of_runs_that_it_knows_and_that_have_no_claim(
    instance: dg.DagsterInstance, said: WorkerStatus, believed: WorkerStatus
) -> None:
    run = started(instance)
    assert health(instance, run, lambda _run: CheckRunHealthResult(said)).status == believed
    with living(run.run_id) as tags:
        run = tagged(instance, run, tags)
        assert health(instance, run, lambda _run: CheckRunHealthResult(said)).status == WorkerStatus.RUNNING


def test_a_run_has_its_claim_while_an_executor_executes_it(instance: dg.DagsterInstance) -> None:
    seen = []

    @dg.op
    def look(context: dg.OpExecutionContext) -> None:
        run = instance.get_run_by_id(context.run_id)
        assert run is not None
        seen.append((CLAIMED_IN in run.tags, why_dead(instance, run)))

    @dg.job(executor_def=seen_alive(dg.in_process_executor))
    def looks() -> None:
        look()

    run = instance.create_run_for_job(looks)
    list(dg._core.execution.api.execute_run_iterator(dg._core.definitions.job_base.InMemoryJob(looks), run, instance))
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert (seen, ended.status) == ([(True, "")], dg.DagsterRunStatus.SUCCESS)
