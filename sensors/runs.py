"""What sensors ask Dagster about runs: whether one works on a batch, and how its last run ended."""

from collections.abc import Sequence

import dagster as dg

from twig_assets.prompts.partition_keys import campaign_of_batch, campaign_of_concept
from twig_assets.sensors.jobs import AUDITS, COMPLETENESS, GATE

PARTITION, STATE = "dagster/partition", "twig/state"
# The most runs for the same state: when these have changed nothing, another will not either.
TRIES = 3
GOING_ON = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def going_on(instance: dg.DagsterInstance) -> set[str]:
    """The partitions that a run waits for or works on."""
    runs = instance.get_runs(dg.RunsFilter(statuses=GOING_ON))
    return {run.tags[PARTITION] for run in runs if PARTITION in run.tags}


def campaign_of(run: dg.DagsterRun, served: Sequence[str]) -> str | None:
    """The campaign that a run worked on, by its partition's key; of a run without one, the first that is served."""
    key = run.tags.get(PARTITION)
    if key is None:
        return served[0] if served else None
    return key if key in served else campaign_of_concept(key) or campaign_of_batch(key)


def last_run(instance: dg.DagsterInstance, partition: str) -> dg.DagsterRun | None:
    """The newest run of a partition."""
    return next(iter(instance.get_runs(dg.RunsFilter(tags={PARTITION: partition}), limit=1)), None)


def requests_so_far(instance: dg.DagsterInstance, state: str) -> int:
    """How many runs were started for a state that has not changed since."""
    return instance.get_runs_count(dg.RunsFilter(tags={STATE: state}))


def died(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run failed for another reason than what the blocking checks stop."""
    return run.status == dg.DagsterRunStatus.FAILURE and not _gate_failed(instance, run.run_id)


def _gate_failed(instance: dg.DagsterInstance, run_id: str) -> bool:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    checks = [event.asset_check_evaluation_data for event in events if event]
    blocking = (GATE, COMPLETENESS)
    return any(e.asset_key == dg.AssetKey(AUDITS) and e.check_name in blocking and not e.passed for e in checks)
