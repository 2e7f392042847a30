"""Faults of Dagster's daemon: killed in the middle of a tick or a run, started twice, at work beside `twig run`."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, problems_left
from twig_assets.bench.campaigns.processes import start, twig_run
from twig_assets.bench.campaigns.undisturbed import ALL_FAIL, UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace

PATIENCE_SECONDS = 600


def killed_mid_tick(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The daemon is killed while it ticks the sensor that withdraws, with all its processes; another is started."""
    _strict(undisturbed, workspace)
    with workspace.entered() as (instance, _), daemon(workspace) as first:
        _until_ticking(instance, first)
        _kill(first)
        with daemon(workspace):
            return _problems_in_the_end(undisturbed, workspace)


def killed_mid_run(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The daemon is killed while a run that it started draws, with all its processes; another is started."""
    _strict(undisturbed, workspace)
    with workspace.entered() as (instance, _), daemon(workspace) as first:
        run = _until_drawing(instance, first)
        _kill(first)
        with daemon(workspace):
            problems = _problems_in_the_end(undisturbed, workspace)
        ended = instance.get_run_by_id(run.run_id)
    failed = ended and ended.status == dg.DagsterRunStatus.FAILURE
    return [*problems, *([] if failed else [f"the run that was killed is said to be {ended and ended.status}"])]


def two_daemons(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Two daemons work on one instance."""
    _strict(undisturbed, workspace)
    with workspace.entered(), daemon(workspace), daemon(workspace):
        return _problems_in_the_end(undisturbed, workspace)


def beside_a_run(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The daemon and `twig run` work on one batch at the same time."""
    _strict(undisturbed, workspace)
    with workspace.entered(), daemon(workspace):
        code = start(workspace, *twig_run(workspace)).wait()
        problems = _problems_in_the_end(undisturbed, workspace)
    return [*([] if code == 0 else [f"twig run ended with status {code}"]), *problems]


def _strict(undisturbed: UndisturbedRuns, workspace: Workspace) -> None:
    """Copy the finished campaign and give it a policy that fails everything: withdraw, draw again, quarantine."""
    undisturbed.finished.copy_to(workspace)
    workspace.write("policy.yaml", ALL_FAIL)


@contextmanager
def daemon(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """Dagster's daemon as processes of their own, ticking every second; killed when the `with` block ends."""
    running = start(
        workspace,
        "dagster._daemon",
        "run",
        "-m",
        "twig_assets.definitions",
        TWIG_SENSOR_SECONDS="1",
        DAGSTER_HOME=str(workspace.home),
    )
    try:
        yield running
    finally:
        _kill(running)


def _kill(running: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _until_ticking(instance: dg.DagsterInstance, running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and running.poll() is None:
        for state in instance.all_instigator_state():
            if state.instigator_name == "ssim_violations":
                ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
                if ticks and ticks[0].status == dg._core.scheduler.instigation.TickStatus.STARTED:
                    return
        time.sleep(0.01)
    raise NotInjectedError("no tick was seen while it was going on")


def _until_drawing(instance: dg.DagsterInstance, running: subprocess.Popen[str]) -> dg.DagsterRun:
    """The run that was started, once it has begun with an asset that needs a model."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and running.poll() is None:
        for run in instance.get_runs(dg.RunsFilter(job_name="draw_batch", statuses=[dg.DagsterRunStatus.STARTED])):
            steps = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_START).records
            if any(record.event_log_entry.step_key == "generated_images" for record in steps):
                return run
        time.sleep(0.05)
    raise NotInjectedError("no run was seen to draw")


def _problems_in_the_end(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """What is still wrong after PATIENCE_SECONDS; empty as soon as the daemon has brought everything to its end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (problems := problems_left(workspace, undisturbed.strict)) and time.monotonic() < deadline:
        time.sleep(2)
    return problems


DAEMON_FAULTS = named(killed_mid_tick, killed_mid_run, two_daemons, beside_a_run)
