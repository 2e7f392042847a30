"""Distinguishing runs that are still going on from those whose process is gone.

Dagster's own launcher cannot: a run whose process died together with its code server, or with `twig run`, would be
"started" for ever. Its batch would count as worked on, and as Dagster starts one run at a time, no other would start.
"""

import os
import socket
from datetime import timedelta

import dagster as dg
import psutil
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

PROCESS = "twig/process"
"""Tag of a run that this project executes in its own process: host and process id."""

# The clocks are read at different moments, and may be adjusted in between.
_LENIENCE = timedelta(minutes=1).total_seconds()


class RunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, which also says whether a run's process is there; `run_monitoring` asks it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always true: `check_run_worker_health` can be asked."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process exists; one on another machine is assumed to."""
        gone = why_dead(self._instance, run)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND if gone else WorkerStatus.RUNNING, gone or None)


def this_process() -> dict[str, str]:
    """The tag of a run that this process executes."""
    return {PROCESS: f"{socket.gethostname()}:{os.getpid()}"}


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed that are said to be going on and whose process is gone; returns their ids."""
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if gone := why_dead(instance, run):
            instance.report_run_failed(run, gone)
            dead.append(run.run_id)
    return dead


def why_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run that is said to be going on cannot be; empty when it may be, as on another machine."""
    if PROCESS in run.tags:
        host, _, pid = run.tags[PROCESS].rpartition(":")
        record = instance.get_run_record_by_id(run.run_id)
        if host != socket.gethostname() or record is None:
            return ""
        return _why_gone(int(pid), record.create_timestamp.timestamp())
    if GRPC_INFO_TAG not in run.tags:
        return ""
    events = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    for entry in (record.event_log_entry for record in events):
        if entry.dagster_event and "pid" in (metadata := entry.dagster_event.engine_event_data.metadata):
            return _why_gone(int(str(metadata["pid"].value)), entry.timestamp)
    return ""


def _why_gone(pid: int, since: float) -> str:
    """Why the process that had this number at a time (seconds since 1970) is not there any more; empty if it is."""
    try:
        process = psutil.Process(pid)
        same = process.create_time() <= since + _LENIENCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        same = False
    return "" if same else f"its process {pid} is gone; what it had finished is kept, so run it again"
