"""The sensor that fails images that do not comply: it withdraws what is published and asks for new draws."""

from dataclasses import dataclass, field

import dagster as dg

from twig_assets.compliance import Due, Enforced, enforce
from twig_assets.resources import CampaignResource, CatalogResource
from twig_assets.sensors.jobs import BATCHES, RELEASED, draw_batch
from twig_assets.sensors.runs import STATE, going_on, last_run, requests_so_far
from twig_assets.settings.home import sensor_seconds

NAME = "ssim_violations"
REQUESTS_PER_TICK = 25
# Runs for one and the same state: when so many have changed nothing, more of them will not either.
TRIES = 3


@dg.sensor(
    name=NAME,
    job=draw_batch,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Holds every published image and every candidate against the policy and corpus of the moment: judges "
    "stored scores anew after a change of the policy, withdraws what no longer complies, and starts runs that draw "
    "failing images with new seeds or audit images without a verdict. The budget is in the catalog.",
)
def ssim_violations(
    context: dg.SensorEvaluationContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Bring rows in line first and ask for runs afterwards, from rows alone; so a tick that dies is made up for."""
    here = campaign.load()
    # Asked first: what these runs have not written yet is not to be asked for a second time.
    busy = going_on(context.instance)
    with catalog.open().session() as session:
        found = enforce(session, here, by=NAME)
    answer = _Answer()
    known = set(context.instance.get_dynamic_partitions(BATCHES))
    for due in found.due:
        answer.add(context.instance, due, busy, known)
    said = f"campaign {here.name}: {_said(found)}; {answer.said()}"
    context.log.info(said)
    return dg.SensorResult(
        run_requests=answer.requests,
        asset_events=_observations(found),
        skip_reason=None if answer.requests else dg.SkipReason(said),
    )


@dataclass
class _Answer:
    """The runs to ask for, and the batches for which none is asked, with the reason."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)

    def add(self, instance: dg.DagsterInstance, due: Due, busy: set[str], known: set[str]) -> None:
        """Ask for a run of the batch, unless there is a reason not to."""
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
            return "a run is going on"
        if due.batch not in known:
            return "no partition yet"
        if last and last.status == dg.DagsterRunStatus.CANCELED and last.tags.get(STATE) in (None, due.state):
            return "its last run was cancelled; materialize it to go on"
        if requests_so_far(instance, due.state) >= TRIES:
            return f"stuck: {TRIES} runs changed nothing; look at the last one, then materialize the batch"
        if len(self.requests) >= REQUESTS_PER_TICK:
            return "comes with a later tick"
        return None

    def said(self) -> str:
        """The tick's message about runs."""
        asked = [f"{r.partition_key} ({r.tags['twig/work']})" for r in self.requests]
        parts = [f"asked for {', '.join(asked)}" if asked else "asked for no run"]
        return "; ".join([*parts, *(f"{batch}: {why}" for batch, why in list(self.waiting.items())[:10])])


def _said(found: Enforced) -> str:
    parts = [f"{len(found.due)} batches to work on"]
    if found.rejudged:
        parts.append(f"{found.rejudged} images judged by stored scores, {found.failed} failed")
    parts += [f"withdrew {one.prompt!r} of {one.batch}: {one.why}" for one in found.withdrawn[:10]]
    if len(found.withdrawn) > 10:
        parts.append(f"withdrew {len(found.withdrawn) - 10} more")
    parts += [f"{sum(found.quarantined.values())} prompts quarantined"] if found.quarantined else []
    parts += [f"{found.left} images are looked at with the next tick"] if found.left else []
    return ", ".join(parts)


def _observations(found: Enforced) -> list[dg.AssetObservation]:
    """One observation of `released_images` for every batch that lost something."""
    lost: dict[str, list[str]] = {}
    for one in found.withdrawn:
        lost.setdefault(one.batch, []).append(f"- {one.prompt}: {one.why} (image {one.image_sha256[:12]})")
    return [
        dg.AssetObservation(
            asset_key=RELEASED,
            partition=batch,
            description=f"{len(lines)} published images no longer comply and were withdrawn",
            metadata={"withdrawn": len(lines), "images": dg.MetadataValue.md("\n".join(lines))},
        )
        for batch, lines in lost.items()
    ]
