"""The sensor that fails images that do not comply: it withdraws published ones and has new ones drawn."""

from dataclasses import dataclass, field

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.compliance import Due, Enforced, enforce
from twig_assets.escaping import plain_markdown
from twig_assets.resources import CampaignsResource, CatalogResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.jobs import BATCHES, RELEASED, draw_batch
from twig_assets.sensors.runs import STATE, TRIES, going_on, last_run, requests_so_far
from twig_assets.settings.home import sensor_seconds

NAME = "ssim_violations"
REQUESTS_PER_TICK = 25


@dg.sensor(
    name=NAME,
    job=draw_batch,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares every published image and every candidate with the policy and corpus in force: judges "
    "stored scores again after a change of the policy, withdraws what no longer complies, and starts runs that draw "
    "failing images with new seeds or audit images without a verdict. The budget is in the catalog.",
)
def ssim_violations(
    context: dg.SensorEvaluationContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Bring rows in line first and request runs afterwards, from rows alone; so the next tick does what one left."""
    rows = catalog.open()

    def work(name: str, _cursor: str) -> Part:
        return _enforce(context.instance, campaigns.load(name), rows)

    return for_each_campaign(context, campaigns, rows, work)


def _enforce(instance: dg.DagsterInstance, settings: Campaign, catalog: Catalog) -> Part:
    # Before the rows are read: what these runs write meanwhile must not be requested a second time.
    busy = going_on(instance)
    with catalog.session() as session:
        enforced = enforce(session, settings, by=NAME)
    requests = _Requests()
    known = set(instance.get_dynamic_partitions(BATCHES)) if enforced.due else set()
    for due in enforced.due:
        requests.add(instance, due, busy, known)
    message = f"campaign {settings.name}: {_summary(enforced)}; {requests.summary()}"
    return Part(message, requests.requests, observations=_observations(enforced))


@dataclass
class _Requests:
    """The runs to request, and the batches for which none is requested, with the reason."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)

    def add(self, instance: dg.DagsterInstance, due: Due, busy: set[str], known: set[str]) -> None:
        """Request a run of the batch, unless there is a reason not to."""
        last = last_run(instance, due.batch)
        why = self._why_not(instance, due, busy, known, last)
        if why:
            self.waiting[due.batch] = why
            return
        self.requests.append(
            dg.RunRequest(
                run_key=f"{due.batch}:{last.run_id if last else 'none'}:{due.attempt}",
                partition_key=due.batch,
                tags={STATE: due.state, "twig/work": due.work, "twig/attempt": str(due.attempt)},
            )
        )

    def _why_not(
        self, instance: dg.DagsterInstance, due: Due, busy: set[str], known: set[str], last: dg.DagsterRun | None
    ) -> str | None:
        if due.batch in busy:
            return "a run works on it"
        if due.batch not in known:
            return "it has no partition yet"
        if last and last.status == dg.DagsterRunStatus.CANCELED and last.tags.get(STATE) in (None, due.state):
            return "its last run was cancelled; materialize it to continue"
        if requests_so_far(instance, due.state) >= TRIES:
            return f"stuck: {TRIES} runs changed nothing; look at the last one, then materialize the batch"
        if len(self.requests) >= REQUESTS_PER_TICK:
            return "its run is requested with a later tick"
        return None

    def summary(self) -> str:
        """The tick's message about runs."""
        requested = [f"{r.partition_key} ({r.tags['twig/work']})" for r in self.requests]
        parts = [f"requested runs: {', '.join(requested)}" if requested else "requested no run"]
        return "; ".join([*parts, *(f"{batch}: {why}" for batch, why in list(self.waiting.items())[:10])])


def _summary(enforced: Enforced) -> str:
    parts = [f"{len(enforced.due)} batches to work on"]
    if enforced.rejudged:
        parts.append(f"{enforced.rejudged} images judged by stored scores, {enforced.failed} failed")
    parts += [f"withdrew {image.prompt!r} of {image.batch}: {image.why}" for image in enforced.withdrawn[:10]]
    if len(enforced.withdrawn) > 10:
        parts.append(f"withdrew {len(enforced.withdrawn) - 10} more")
    parts += [f"{sum(enforced.quarantined.values())} prompts quarantined"] if enforced.quarantined else []
    parts += [f"{enforced.left} images are judged with the next tick"] if enforced.left else []
    return ", ".join(parts)


def _observations(enforced: Enforced) -> list[dg.AssetObservation]:
    """One observation of `released_images` for every batch that lost something."""
    lost: dict[str, list[str]] = {}
    for image in enforced.withdrawn:
        lost.setdefault(image.batch, []).append(
            plain_markdown(f"{image.prompt}: {image.why} (image {image.image_sha256[:12]})")
        )
    return [
        dg.AssetObservation(
            asset_key=RELEASED,
            partition=batch,
            description=f"{len(lines)} published images no longer comply and were withdrawn",
            metadata={"withdrawn": len(lines), "images": dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))},
        )
        for batch, lines in lost.items()
    ]
