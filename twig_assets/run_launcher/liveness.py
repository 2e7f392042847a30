"""Distinguishing runs that are still going on from those whose process is gone, wherever it was.

Dagster's own launcher cannot: a run whose process died together with its code server, or with `twig run`, would be
"started" for ever. Its batch would count as worked on, and the run would keep its place among those that may go on.

A run claims its own id in the catalog for as long as it lives (`catalog.claims`). Whoever sees that database sees from
any machine and any container whether the claim is still there. A run without one, because it died before it had made it
or was started by something else, is judged by its process only where that can be seen: on this machine since it was
started, among the processes of the same PID namespace, behind a socket. Any other run is left alone.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.storage.tags import GRPC_INFO_TAG
from sqlalchemy.exc import SQLAlchemyError

from twig_assets.catalog.claims import opened_claims, run_claim
from twig_assets.settings.home import catalog_url

CLAIMED_IN = "twig/claimed-in"
"""Tag of a run: the database in which it has claimed its own id."""

LAUNCHED_FROM = "twig/launched-from"
"""Tag of a run: where the process was that had it started on its own machine."""

_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), "/proc/self/ns/pid"

# The clocks are read at different moments, and may be adjusted in between.
_LENIENCE = timedelta(minutes=1).total_seconds()


@contextmanager
def living(run_id: str) -> Iterator[dict[str, str]]:
    """Let everybody see until the `with` block ends that a run goes on in this process.

    Yields:
        The tags that the run must have, once it is there.

    Raises:
        ClaimLostError: If its claim is lost, since others take the run for dead then.
    """
    with opened_claims(catalog_url()) as claims, claims.claimed(run_claim(run_id)):
        yield {CLAIMED_IN: claims.identity()}


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed that are said to be going on and are not; returns their ids.

    The places that they have in concurrency pools get free.
    """
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if gone := why_dead(instance, run):
            instance.report_run_failed(run, gone)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead


def why_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a run that is said to be going on cannot be; empty when it goes on, or when nobody here can tell."""
    if CLAIMED_IN in run.tags:
        return _why_unclaimed(run)
    # A code server that is reached by a port may be anywhere, though its name be localhost: in a pod, in a container.
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if "socket" not in server or run.tags.get(LAUNCHED_FROM) != this_place():
        return ""
    events = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    for entry in (record.event_log_entry for record in events):
        if entry.dagster_event and "pid" in (metadata := entry.dagster_event.engine_event_data.metadata):
            return _why_gone(int(str(metadata["pid"].value)), entry.timestamp)
    return ""


def is_seen(run: dg.DagsterRun) -> bool:
    """Whether `why_dead` can tell from here that a run goes on, since it has a claim."""
    return CLAIMED_IN in run.tags


def this_place() -> str:
    """Where a process number has a meaning: this machine since it was started, and this PID namespace in it."""
    try:
        return f"{_BOOT.read_text().strip()}:{os.readlink(_PROCESSES)}"
    except OSError:
        return ""  # not Linux: nothing is known of other places, so no run of them is judged


def _why_unclaimed(run: dg.DagsterRun) -> str:
    try:
        with opened_claims(catalog_url()) as claims:
            if claims.identity() != run.tags[CLAIMED_IN] or claims.is_claimed(run_claim(run.run_id)):
                return ""
    except SQLAlchemyError:
        return ""  # a database that does not answer says nothing of its runs
    return "its process is gone, wherever it was; what it had finished is kept, so run it again"


def _why_gone(pid: int, since: float) -> str:
    """Why the process that had this number at a time (seconds since 1970) is not there any more; empty if it is."""
    try:
        process = psutil.Process(pid)
        same = process.create_time() <= since + _LENIENCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        same = False
    return "" if same else f"its process {pid} is gone; what it had finished is kept, so run it again"
