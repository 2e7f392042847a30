"""What `run_monitoring` is told of a run: it fails every run that is neither running nor finished."""

from collections.abc import Callable

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

from twig_assets.run_launcher.liveness import is_seen, why_dead


def health(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    of_cluster: Callable[[dg.DagsterRun], CheckRunHealthResult] | None = None,
) -> CheckRunHealthResult:
    """Whether a run is alive.

    Args:
        instance: Dagster's instance.
        run: The run.
        of_cluster: What the cluster says of it, where it was a cluster that started it; asked only of a run that has
            made no claim, and not believed where the cluster does not know it.
    """
    if gone := why_dead(instance, run):
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, gone)
    if of_cluster is None or is_seen(run):
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    answer = of_cluster(run)
    unknown = answer.status in (WorkerStatus.UNKNOWN, WorkerStatus.NOT_FOUND)
    return CheckRunHealthResult(WorkerStatus.RUNNING) if unknown else answer
