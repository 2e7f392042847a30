"""One tick of a sensor for every campaign: an error of one campaign stays with it and is told."""

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from twig_assets.catalog.database import Catalog
from twig_assets.compliance import notices
from twig_assets.resources import CampaignsResource

# Dagster ends a tick after 60 seconds. What is left of a round is done by the next tick.
TICK_SECONDS = 30.0
# An error that is gone after a tick or two, such as of a file that is being written, is nobody's business.
TOLD_AFTER = 3


@dataclass(frozen=True)
class Part:
    """What a tick does for one campaign.

    Attributes:
        message: What happened, in a few words.
        requests: The runs to start.
        partitions: Name of a partitions definition -> keys to add to it.
        observations: Events to record.
        cursor: What the next tick is to know of this campaign.
    """

    message: str
    requests: Sequence[dg.RunRequest] = ()
    partitions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    observations: Sequence[dg.AssetObservation] = ()
    cursor: str = ""


class _Remembered(BaseModel):
    """What a tick leaves to the next one about a campaign: its cursor, and how many ticks in a row failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: str = ""
    failed: int = 0


class _Cursor(BaseModel):
    """The cursor of a sensor: the campaign that the last tick ended with, and what it left about each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: str = ""
    campaigns: dict[str, _Remembered] = {}


def for_each_campaign(
    context: dg.SensorEvaluationContext,
    campaigns: CampaignsResource,
    catalog: Catalog,
    work: Callable[[str, str], Part],
) -> dg.SensorResult:
    """Do a sensor's work for every campaign, as far as the time of a tick goes; the next tick begins with the others.

    Args:
        context: Of the sensor.
        campaigns: Those that are served.
        catalog: Takes the notice of a campaign for which the sensor failed three times in a row.
        work: Takes a campaign's name and what the last tick left about it, and does the work.
    """
    cursor, begun = _read(context.cursor), time.monotonic()
    names = campaigns.names()
    later = [name for name in names if name > cursor.last]
    parts: dict[str, Part] = {}
    remembered: dict[str, _Remembered] = {}
    for name in [*later, *(name for name in names if name not in later)]:
        if parts and time.monotonic() - begun > TICK_SECONDS:
            break
        before = cursor.campaigns.get(name, _Remembered())
        parts[name], remembered[name] = _attempt(context, catalog, name, before, work)
    kept = {name: cursor.campaigns[name] for name in names if name in cursor.campaigns}
    last = next(reversed(parts), "") if len(parts) < len(names) else ""
    return _result(context, list(parts.values()), _Cursor(last=last, campaigns={**kept, **remembered}))


def _attempt(
    context: dg.SensorEvaluationContext,
    catalog: Catalog,
    name: str,
    before: _Remembered,
    work: Callable[[str, str], Part],
) -> tuple[Part, _Remembered]:
    try:
        part = work(name, before.cursor)
    except Exception as error:
        failed = before.failed + 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        context.log.error(f"campaign {name}: {why}\n{traceback.format_exc()}")
        if failed >= TOLD_AFTER:
            _tell(catalog, name, str(context.sensor_name), why)
        return Part(f"campaign {name}: FAILED {failed} times in a row: {why}"), _Remembered(
            cursor=before.cursor, failed=failed
        )
    return part, _Remembered(cursor=part.cursor)


def _tell(catalog: Catalog, name: str, sensor: str, why: str) -> None:
    with catalog.session() as session:
        notice = notices.Notice("failing", sensor, {why: f"{sensor} cannot work on campaign {name}: {why}"})
        notices.note(session, name, [notice])


def _result(context: dg.SensorEvaluationContext, parts: Sequence[Part], cursor: _Cursor) -> dg.SensorResult:
    requests = [request for part in parts for request in part.requests]
    keys: dict[str, list[str]] = {}
    for part in parts:
        for definition, new in part.partitions.items():
            keys.setdefault(definition, []).extend(new)
    message = "\n".join(part.message for part in parts) or "there is no campaign"
    context.log.info(message)
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=_additions(context.instance, keys),
        asset_events=[event for part in parts for event in part.observations],
        cursor=json.dumps(cursor.model_dump(), sort_keys=True),
        skip_reason=None if requests else dg.SkipReason(message),
    )


def _additions(instance: dg.DagsterInstance, keys: Mapping[str, Sequence[str]]) -> list[Any]:
    new = {
        name: [key for key in wanted if not instance.has_dynamic_partition(name, key)] for name, wanted in keys.items()
    }
    return [dg.DynamicPartitionsDefinition(name=name).build_add_request(added) for name, added in new.items() if added]


def _read(cursor: str | None) -> _Cursor:
    """The cursor; an empty one where an older version, which served one campaign, left its own."""
    try:
        return _Cursor.model_validate_json(cursor or "{}")
    except ValidationError:
        return _Cursor()
