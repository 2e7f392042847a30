"""The status as metrics that Prometheus reads: https://prometheus.io/docs/instrumenting/exposition_formats/.

Labels hold names of campaigns, sensors and verdicts, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from twig_assets.status.model import CampaignStatus, DagsterStatus, InstallationStatus

_Samples = Iterable[tuple[Mapping[str, str], float]]

_PROMPTS = ("asked", "released", "waiting", "withheld", "withdrawn", "to_draw")


def metrics(status: InstallationStatus) -> bytes:
    """The status in Prometheus's text format, UTF-8."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, status: InstallationStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status
        yield _gauge(
            "twig_catalog_up", "Whether the catalog answers and fits this version.", [({}, not status.catalog)]
        )
        yield _gauge("twig_troubles", "What `twig status` says somebody should see to.", [({}, len(status.troubles))])
        yield from _of_campaigns(status.campaigns)
        yield _gauge("twig_queue_length", "What waits, by queue.", _queues(status))
        if status.ledger:
            yield _gauge("twig_ledger_entries", "The place of the ledger's head.", [({}, status.ledger.sequence)])
        if status.disks:
            free = [({"disk": disk.what}, disk.free) for disk in status.disks]
            yield _gauge("twig_disk_free_bytes", "Free bytes.", free)
        if status.dagster:
            yield from _of_dagster(status.dagster)


def _of_campaigns(campaigns: Iterable[CampaignStatus]) -> Iterator[Metric]:
    prompts = [
        ({"campaign": campaign.name, "state": state}, getattr(campaign, state))
        for campaign in campaigns
        for state in _PROMPTS
    ]
    verdicts = [
        ({"campaign": campaign.name, "verdict": verdict}, count)
        for campaign in campaigns
        for verdict, count in campaign.verdicts.items()
    ]
    seconds = [
        ({"campaign": campaign.name}, campaign.seconds_per_image)
        for campaign in campaigns
        if campaign.seconds_per_image is not None
    ]
    yield _gauge("twig_prompts", "Prompts, by what became of them.", prompts)
    yield _gauge("twig_audits", "Audits on record; a verdict is an opinion about similarity.", verdicts)
    yield _gauge("twig_seconds_per_image", "How long a first image took here last.", seconds)
    unread = [({"campaign": campaign.name}, campaign.unread) for campaign in campaigns]
    yield _gauge("twig_unread_works", "Works that could not be compared and hold releases back.", unread)
    lacks = [({"campaign": campaign.name}, len(campaign.lacks)) for campaign in campaigns]
    yield _gauge("twig_partitions_lacking", "Batches, edits and models that are to be made.", lacks)
    broken = [({"campaign": campaign.name}, campaign.problem is not None) for campaign in campaigns]
    yield _gauge("twig_campaign_broken", "Whether a campaign's files cannot be used.", broken)


def _queues(status: InstallationStatus) -> _Samples:
    lengths = {
        "inbox": sum(campaign.inbox for campaign in status.campaigns),
        "people": sum(campaign.waiting for campaign in status.campaigns),
        "notifications": status.notices,
        "mlflow": status.figures,
    }
    if status.dagster:
        lengths |= {"runs": status.dagster.queued}
    return [({"queue": queue}, length) for queue, length in lengths.items()]


def _of_dagster(dagster: DagsterStatus) -> Iterator[Metric]:
    yield _gauge("twig_daemon_up", "Whether Dagster's daemon looks for work.", [({}, dagster.daemon)])
    runs = [({"state": "going_on"}, dagster.going_on), ({"state": "failed_within_a_day"}, dagster.failed)]
    yield _gauge("twig_runs", "Runs of Dagster.", runs)
    ticks = dagster.ticks
    times = [({"sensor": tick.name}, tick.at.timestamp()) for tick in ticks if tick.at]
    yield _gauge("twig_last_tick_timestamp_seconds", "When the last tick began.", times)
    failed = [({"sensor": tick.name}, tick.status == "failure") for tick in ticks]
    yield _gauge("twig_last_tick_failed", "Whether the last tick failed.", failed)


def _gauge(name: str, text: str, samples: _Samples) -> Metric:
    samples = list(samples)
    labels = list(samples[0][0]) if samples else []
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric([values[label] for label in labels], float(number))
    return family
