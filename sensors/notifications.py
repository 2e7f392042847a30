"""The sensor that notifies people of what happened, once for every batch and event."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance import Due, enforce, notices
from twig_assets.resources import CampaignsResource, CatalogResource, NotifierResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.runs import PARTITION, TRIES, campaign_of, died, requests_so_far
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
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    notifier: NotifierResource,
) -> dg.SensorResult:
    """Record new events, then send what has not been sent; if a tick dies, the next one does what it left."""
    rows = catalog.open()
    served = campaigns.names()

    def work(name: str, _cursor: str) -> Part:
        new = _record(context.instance, campaigns.load(name), rows, served)
        return Part(f"campaign {name}: {new} new events, {_send(context, name, rows, notifier)}")

    return for_each_campaign(context, campaigns, rows, work)


def _record(instance: dg.DagsterInstance, settings: Campaign, catalog: Catalog, served: Sequence[str]) -> int:
    """Keep the events of a campaign of which nobody was notified, and return how many are new."""
    with catalog.session() as session:
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
    happened += [*_stuck(instance, enforced.due), *_deaths(instance, known, settings.name, served)]
    with catalog.session() as session:
        return notices.note(session, settings.name, happened)


def _send(context: dg.SensorEvaluationContext, campaign: str, catalog: Catalog, notifier: NotifierResource) -> str:
    """Send what has not been sent, and return what became of it; a channel that fails rests until the next tick."""
    with catalog.session() as session:
        waiting = notices.unsent(session, campaign, SENT_PER_TICK)
    troubles: list[str] = []
    failed: set[str] = set()
    for row in waiting:
        done = {*row.channels, *failed}
        outcomes = notifier.send(row.event, notices.title(row), notices.body(row), context.log.warning, done)
        troubles += [f"{channel}: {error}" for channel, error in outcomes.items() if error]
        outcomes |= {channel: "failed before in this tick" for channel in failed - set(row.channels)}
        failed |= {channel for channel, error in outcomes.items() if error}
        with catalog.session() as session:
            notices.record(session, row.id, outcomes)
    return "; ".join([f"{len(waiting)} messages by {', '.join(notifier.channels)}", *troubles])


def _stuck(instance: dg.DagsterInstance, due: list[Due]) -> list[notices.Notice]:
    return [
        notices.Notice(
            "stuck", work.batch, {work.state: f"{work.images} images wait for a run ({work.work}); {TRIES} failed"}
        )
        for work in due
        if requests_so_far(instance, work.state) >= TRIES
    ]


def _deaths(
    instance: dg.DagsterInstance, known: set[str], campaign: str, served: Sequence[str]
) -> list[notices.Notice]:
    """A campaign's runs of the last days that failed for another reason than the gate."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], created_after=datetime.now(UTC) - LOOK_BACK)
    runs = [run for run in instance.get_runs(failed, limit=RUNS_LOOKED_AT) if run.run_id not in known]
    return [
        notices.Notice(
            "died", run.tags.get(PARTITION, run.job_name), {run.run_id: f"run {run.run_id} of {run.job_name}"}
        )
        for run in runs
        if campaign_of(run, served) == campaign and died(instance, run)
    ]
