"""The sensor that turns a prompt file dropped into the inbox into partitions and runs."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import dagster as dg
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.catalog.models import Prompt
from twig_assets.catalog.serving import NotMaterializedError, serving_model
from twig_assets.prompts import PromptError, PromptRow, batches, check_prompts, read_prompts
from twig_assets.prompts.inbox import reject, take_in, taken_files, waiting_files
from twig_assets.resources import CampaignResource, CatalogResource
from twig_assets.sensors.jobs import BATCHES, draw_batch
from twig_assets.settings.home import sensor_seconds


@dg.sensor(
    name="prompt_inbox",
    job=draw_batch,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes prompt files from the campaign's folder inbox/: adds them at the end of its prompts, with a "
    "partition and a run for every batch that they are in. A file that cannot be used goes to inbox/rejected/ with the "
    "reason beside it.",
)
def prompt_inbox(
    context: dg.SensorEvaluationContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Add the files that have not changed since the last tick to the campaign, and request runs of their batches.

    The cursor holds size and time of the files that wait, so that none is read while it is still being written. Runs
    are requested until the catalog has the prompts; the run key lets only one of them start.
    """
    settings = campaign.load()
    events: list[str] = []
    if taken_files(settings.folder) or list(settings.folder.glob("prompts*")):
        read_prompts(settings.folder)  # an error in the campaign's own files is not the dropped file's fault
    waiting = waiting_files(settings.folder)
    check = partial(check_prompts, terms=terms_of(settings) if waiting else [], settings=settings.prompt_check)
    before = json.loads(context.cursor or "{}")
    now = {path.name: _stamp(path) for path in waiting}
    for path in waiting:
        if before.get(path.name) != now.get(path.name):
            events.append(f"{path.name} is new; it is read when it has not changed until the next tick")
            continue
        now.pop(path.name)
        events.append(_take(path, settings, check))
    keys = _batches_from_inbox(settings)
    with catalog.open().session() as session:
        due = {key: file for key, (file, count) in keys.items() if _prompts_there(session, key) < count}
        waits = _no_model(session, settings) if due else ""
    partitions = dg.DynamicPartitionsDefinition(name=BATCHES)
    new = [key for key in keys if not context.instance.has_dynamic_partition(BATCHES, key)]
    requests = [] if waits else [dg.RunRequest(run_key=f"inbox:{due[k]}:{k}", partition_key=k) for k in due]
    events += [f"{len(due)} batches to draw"] if due else []
    events += [waits] if waits else []
    message = f"campaign {settings.name}: {'; '.join(events) or 'the inbox is empty'}"
    context.log.info(message)
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
        cursor=json.dumps(now, sort_keys=True),
        skip_reason=None if requests else dg.SkipReason(message),
    )


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _take(path: Path, campaign: Campaign, check: Callable[[Sequence[PromptRow]], object]) -> str:
    try:
        return f"{path.name} was added as {take_in(path, campaign.folder, check).name}"
    except PromptError as error:
        return f"{path.name} was refused and moved to {reject(path, str(error))}: {error}"


def _batches_from_inbox(campaign: Campaign) -> dict[str, tuple[str, int]]:
    """Batch key -> the last file from the inbox that has prompts in it, and how many prompts the batch has in all."""
    taken = set(taken_files(campaign.folder))
    if not taken:
        return {}
    last: dict[str, tuple[str, int]] = {}
    for key, rows in batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size):
        files = [row.file for row in rows if row.file in taken]
        if files:
            last[key] = (files[-1].name, len(rows))
    return last


def _prompts_there(session: Session, key: str) -> int:
    return session.scalar(select(func.count()).select_from(Prompt).where(Prompt.batch_key == key)) or 0


def _no_model(session: Session, campaign: Campaign) -> str:
    """Why nothing can be drawn yet; empty when it can."""
    try:
        serving_model(session, campaign.name, campaign.model_name)
    except NotMaterializedError as error:
        return f"waiting for a model: {error}"
    return ""
