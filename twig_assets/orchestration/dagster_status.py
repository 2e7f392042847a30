"""What Dagster knows of its runs and ticks, for `twig status` and for metrics."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus

from twig_assets.sensors.runs import PARTITION, died, last_run
from twig_assets.settings.home import home
from twig_assets.status import DagsterStatus, Ticks

WITHIN = timedelta(days=1)
CANCELLED_WITHIN = timedelta(days=7)
CANCELED = dg.DagsterRunStatus.CANCELED
_LOOKED_AT = 200
_WORKING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_QUEUED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED]


# Run -> whether it died; what has ended does not change, and metrics ask every few seconds.
_known: dict[str, bool] = {}


def dagster_status() -> DagsterStatus | None:
    """Runs and last ticks of this installation; None where Dagster has never run. It makes no instance."""
    with _instance() as instance:
        return None if instance is None else _status(instance)


def sensors_run() -> bool:
    """Whether a daemon of this installation has run its sensors within the last minutes; makes no instance."""
    with _instance() as instance:
        return instance is not None and _daemon(instance)


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance | None]:
    if not os.environ.get("DAGSTER_HOME") and not (home() / "dagster.yaml").is_file():
        yield None
        return
    before = os.environ.get("DAGSTER_HOME")
    os.environ.setdefault("DAGSTER_HOME", str(home()))
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]


def _daemon(instance: dg.DagsterInstance) -> bool:
    status = instance.get_daemon_statuses(["SENSOR"]).get("SENSOR")
    return bool(status and status.healthy)


def _status(instance: dg.DagsterInstance) -> DagsterStatus:
    states = [
        state
        for kind in (InstigatorType.SENSOR, InstigatorType.SCHEDULE)
        for state in instance.all_instigator_state(instigator_type=kind)
    ]
    ticks: dict[str, Ticks] = {}
    for state in states:  # a sensor that an older version served may be there as well; the newest tick counts
        tick = _last_tick(instance, state)
        known = ticks.get(tick.name)
        if known is None or (tick.at and (not known.at or tick.at > known.at)):
            ticks[tick.name] = tick
    return DagsterStatus(
        daemon=_daemon(instance),
        queued=instance.get_runs_count(dg.RunsFilter(statuses=_QUEUED)),
        going_on=instance.get_runs_count(dg.RunsFilter(statuses=_WORKING)),
        failed=_failed(instance),
        cancelled=_cancelled(instance),
        ticks=tuple(ticks[name] for name in sorted(ticks)),
    )


def _failed(instance: dg.DagsterInstance) -> int:
    """How many runs failed, without those that a blocking check stopped: that is the gate at work."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.now(UTC) - WITHIN)
    runs = instance.get_runs(failed, limit=_LOOKED_AT)
    died_of = {run.run_id: _known[run.run_id] if run.run_id in _known else died(instance, run) for run in runs}
    # Those of earlier days are not asked about again.
    _known.clear()
    _known.update(died_of)
    return sum(died_of.values())


def _cancelled(instance: dg.DagsterInstance) -> tuple[str, ...]:
    """The partitions of which the newest run was cancelled."""
    since = datetime.now(UTC) - CANCELLED_WITHIN
    cancelled = dg.RunsFilter(statuses=[CANCELED], updated_after=since)
    keys = {run.tags[PARTITION] for run in instance.get_runs(cancelled, limit=_LOOKED_AT) if PARTITION in run.tags}
    return tuple(sorted(key for key in keys if (run := last_run(instance, key)) and run.status == CANCELED))


def _last_tick(instance: dg.DagsterInstance, state: InstigatorState) -> Ticks:
    running = state.status != InstigatorStatus.STOPPED
    tick = next(iter(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)), None)
    if tick is None:
        return Ticks(name=state.instigator_name, status="none", running=running)
    message = tick.error.message.strip().splitlines()[0] if tick.error and tick.error.message.strip() else ""
    return Ticks(
        name=state.instigator_name,
        status=tick.status.value.lower(),
        at=datetime.fromtimestamp(tick.timestamp, UTC),
        running=running,
        error=message,
    )
