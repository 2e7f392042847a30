"""The sensor that turns prompt files dropped into an inbox into partitions."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.prompts import PromptError, PromptRow, batches, check_prompts, read_prompts
from twig_assets.prompts.inbox import reject, take_in, taken_files, waiting_files
from twig_assets.resources import CampaignsResource, CatalogResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.jobs import BATCHES
from twig_assets.settings.home import sensor_seconds


@dg.sensor(
    name="prompt_inbox",
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes prompt files from every campaign's folder inbox/: adds them at the end of its prompts, with a "
    "partition for every batch that they are in; missing_work has these drawn. A file that cannot be used goes to "
    "inbox/rejected/ with the reason beside it.",
)
def prompt_inbox(
    context: dg.SensorEvaluationContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Add the files that have not changed since the last tick to their campaign, with partitions of their batches."""
    return for_each_campaign(
        context, campaigns, catalog.open(), lambda name, cursor: _take_all(campaigns.load(name), cursor)
    )


def _take_all(settings: Campaign, cursor: str) -> Part:
    """Take what waits in a campaign's inbox.

    The cursor holds size and time of the files that wait, so that none is read while it is still being written.
    """
    events: list[str] = []
    if taken_files(settings.folder) or list(settings.folder.glob("prompts*")):
        read_prompts(settings.folder)  # an error in the campaign's own files is not the dropped file's fault
    waiting = waiting_files(settings.folder)
    check = partial(check_prompts, terms=terms_of(settings) if waiting else [], settings=settings.prompt_check)
    before = json.loads(cursor or "{}")
    now = {path.name: _stamp(path) for path in waiting}
    for path in waiting:
        if before.get(path.name) != now.get(path.name):
            events.append(f"{path.name} is new; it is read when it has not changed until the next tick")
            continue
        now.pop(path.name)
        events.append(_take(path, settings, check))
    message = f"campaign {settings.name}: {'; '.join(events) or 'the inbox is empty'}"
    return Part(message, partitions={BATCHES: _batches(settings)}, cursor=json.dumps(now, sort_keys=True))


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _take(path: Path, campaign: Campaign, check: Callable[[Sequence[PromptRow]], object]) -> str:
    """Add a file to the campaign, or move it away with the reason; whatever is wrong with it is its own matter."""
    try:
        return f"{path.name} was added as {take_in(path, campaign.folder, check).name}"
    except Exception as error:
        why = str(error) if isinstance(error, PromptError) else f"{path.name}: {type(error).__name__}: {error}"
    try:
        return f"{path.name} was refused and moved to {reject(path, why)}: {why}"
    except OSError as error:
        return f"{path.name} was refused and could not be moved away ({error}): {why}"


def _batches(campaign: Campaign) -> list[str]:
    """The keys of the batches, where a file from the inbox may have added some."""
    if not taken_files(campaign.folder):
        return []
    return [key for key, _ in batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size)]
