"""The sensor that notifies people of what happened, once for every batch and event."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg

from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance import Due, enforce, notices
from twig_assets.resources import CampaignResource, CatalogResource, NotifierResource
from twig_assets.sensors.runs import PARTITION, died, requests_so_far
from twig_assets.sensors.ssim_violations import TRIES
from twig_assets.settings.home import sensor_seconds

NAME = "notifications"
SENT_PER_TICK = 10
LOOK_BACK = timedelta(days=2)
RUNS_LOOKED_AT = 50


@dg.sensor(
    name=NAME,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notifies people, once for every batch and event, of withdrawn images, quarantined prompts, prompts "
    "that wait for a person, lapsed waivers, allowances that ended, batches that are stuck and runs that died: in the "
    "log, and by webhook or e-mail where these are set. What could not be sent is tried again with the next tick.",
)
def notifications(
    context: dg.SensorEvaluationContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    notifier: NotifierResource,
) -> dg.SkipReason:
    """Record new events, then send what has not been sent; if a tick dies, the next one does what it left."""
    settings = campaign.load()
    with catalog.open().session() as session:
        enforced = enforce(session, settings, by=NAME)
        happened = notices.withdrawals(session, settings.name)
        happened += notices.ended_elements(session, settings.name)
        # Without a model no prompt has attempts that could be spent.
        with suppress(NotMaterializedError):
            rules = rules_in_force(session, settings)[1]
            happened += notices.held_prompts(session, settings.name, rules)
            happened += notices.lapses(session, settings.name, rules)
        notified = notices.notified(session, settings.name).items()
        known = {item for (event, _), items in notified if event == "died" for item in items}
    happened += [*_stuck(context.instance, enforced.due), *_deaths(context.instance, known)]
    with catalog.open().session() as session:
        new = notices.note(session, settings.name, happened)
        waiting = notices.unsent(session, settings.name, SENT_PER_TICK)
    troubles = []
    for row in waiting:
        outcomes = notifier.send(row.event, notices.title(row), notices.body(row), context.log.warning, row.channels)
        with catalog.open().session() as session:
            notices.record(session, row.id, outcomes)
        troubles += [f"{channel}: {error}" for channel, error in outcomes.items() if error]
    summary = f"campaign {settings.name}: {new} new events, {len(waiting)} messages by {', '.join(notifier.channels)}"
    return dg.SkipReason("; ".join([summary, *troubles]))


def _stuck(instance: dg.DagsterInstance, due: list[Due]) -> list[notices.Notice]:
    return [
        notices.Notice(
            "stuck", work.batch, {work.state: f"{work.images} images wait for a run ({work.work}); {TRIES} failed"}
        )
        for work in due
        if requests_so_far(instance, work.state) >= TRIES
    ]


def _deaths(instance: dg.DagsterInstance, known: set[str]) -> list[notices.Notice]:
    """Runs of the last days that failed for another reason than the gate."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=datetime.now(UTC) - LOOK_BACK)
    runs = [run for run in instance.get_runs(failed, limit=RUNS_LOOKED_AT) if run.run_id not in known]
    return [
        notices.Notice(
            "died", run.tags.get(PARTITION, run.job_name), {run.run_id: f"run {run.run_id} of {run.job_name}"}
        )
        for run in runs
        if died(instance, run)
    ]
