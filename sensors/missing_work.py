"""The sensor that has made what a campaign lacks, from its inputs to its batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.campaign.missing import Missing, missing
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.compliance import notices
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.resources import CampaignsResource, CatalogResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.jobs import (
    BATCHES,
    CAMPAIGNS,
    CONCEPTS,
    ablate_concept,
    compose_model,
    draw_batch,
    read_inputs,
)
from twig_assets.sensors.runs import STATE, TRIES, going_on, last_run, requests_so_far
from twig_assets.settings.home import sensor_seconds

REQUESTS_PER_TICK = 25


@dataclass(frozen=True)
class _Wanted:
    """A run that makes something that is missing: its job, its partition, and a word for what it makes."""

    job: str
    definition: str
    partition: str
    what: str
    state: str


@dg.sensor(
    name="missing_work",
    jobs=[read_inputs, ablate_concept, compose_model, draw_batch],
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts what a campaign lacks, each as soon as what it needs is there: its concepts and works as rows, "
    "the edits of its concepts, the composed model, the first images of its batches. Says which prompts were changed "
    "after they had been drawn.",
)
def missing_work(
    context: dg.SensorEvaluationContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Request runs from rows and files alone, so that a daemon that starts from nothing makes everything."""
    rows = catalog.open()
    return for_each_campaign(
        context, campaigns, rows, lambda name, cursor: _request(context.instance, campaigns.load(name), rows, cursor)
    )


def _request(instance: dg.DagsterInstance, campaign: Campaign, catalog: Catalog, cursor: str) -> Part:
    busy = going_on(instance)
    with catalog.session() as session:
        lacking = missing(session, campaign, cursor)
        if lacking.edited:
            lines = {line: line for line in lacking.edited}
            notices.note(session, campaign.name, [notices.Notice("edited", campaign.name, lines)])
    requests: list[dg.RunRequest] = []
    waiting: list[str] = []
    for wanted in _wanted(campaign, lacking):
        if why := _why_not(instance, wanted, busy, len(requests)):
            waiting.append(f"{wanted.partition}: {why}")
            continue
        last = last_run(instance, wanted.partition)
        key = f"missing:{wanted.job}:{wanted.partition}:{wanted.state}:{last.run_id if last else 'none'}"
        tags = {STATE: wanted.state, "twig/work": wanted.what}
        requests.append(dg.RunRequest(run_key=key, job_name=wanted.job, partition_key=wanted.partition, tags=tags))
    requested = [f"{request.partition_key} ({request.tags['twig/work']})" for request in requests]
    parts = [f"requested runs: {', '.join(requested)}" if requested else "requested no run", *waiting[:10]]
    parts += [f"NOT DRAWN AGAIN: {line}" for line in lacking.edited[:10]]
    return Part(f"campaign {campaign.name}: {'; '.join(parts)}", requests, cursor=lacking.settled)


def _wanted(campaign: Campaign, lacking: Missing) -> Iterator[_Wanted]:
    def run(job: str, definition: str, partition: str, what: str, *content: str) -> _Wanted:
        state = sha256_of([job, partition, *content])[:32]
        return _Wanted(job, definition, partition, what, state)

    name = campaign.name
    if lacking.inputs:
        yield run(read_inputs.name, CAMPAIGNS, name, "inputs", lacking.inputs)
    for concept, settings_sha256 in lacking.concepts.items():
        yield run(ablate_concept.name, CONCEPTS, concept_key(name, concept), "edit", settings_sha256)
    if lacking.model:
        yield run(compose_model.name, CAMPAIGNS, name, "model", lacking.model)
    for key, count in lacking.batches.items():
        yield run(draw_batch.name, BATCHES, key, "draw", count)


def _why_not(instance: dg.DagsterInstance, wanted: _Wanted, busy: set[str], so_far: int) -> str | None:
    if so_far >= REQUESTS_PER_TICK:
        return "its run is requested with a later tick"
    if wanted.partition in busy:
        return "a run works on it"
    if not instance.has_dynamic_partition(wanted.definition, wanted.partition):
        return "it has no partition yet"
    last = last_run(instance, wanted.partition)
    if last and last.status == dg.DagsterRunStatus.CANCELED and last.tags.get(STATE) in (None, wanted.state):
        return "its last run was cancelled; materialize it to continue"
    if requests_so_far(instance, wanted.state) >= TRIES:
        return f"stuck: {TRIES} runs changed nothing; look at the last one, then start it by hand"
    return None
