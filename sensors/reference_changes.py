"""The sensor that has the corpus read again when the folder of protected works changes."""

import hashlib
import os

import dagster as dg

from twig_assets.campaign import Campaign
from twig_assets.resources import CampaignsResource, CatalogResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.jobs import CAMPAIGNS, read_corpus
from twig_assets.settings.home import sensor_seconds
from twig_assets.similarity.corpus.files import files_below


@dg.sensor(
    name="reference_changes",
    job=read_corpus,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Watches every campaign's folder of protected works. When a file there is new, gone or changed, and "
    "has stayed so for two ticks, the corpus is read again; `ssim_violations` then has everything audited against it.",
)
def reference_changes(
    context: dg.SensorEvaluationContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Request a reading of the works of every campaign where they have changed."""

    def work(name: str, cursor: str) -> Part:
        if not context.instance.has_dynamic_partition(CAMPAIGNS, name):
            return Part(f"campaign {name}: has no partition yet", cursor=cursor)
        return _compare(campaigns.load(name), cursor)

    return for_each_campaign(context, campaigns, catalog.open(), work)


def _compare(settings: Campaign, cursor: str) -> Part:
    """Compare the folder's names, sizes and times with those of the last tick and of the last reading.

    The cursor is `read:seen:count`: the folder as it was when the corpus was last read, as it was at the last tick, and
    how many readings were requested. The count makes every run key new, also when a folder returns to an earlier state.
    """
    read, seen, count = (cursor or "::0").split(":")
    files, now = _fingerprint(settings)
    if now == read:
        return Part(f"campaign {settings.name}: {files} files, unchanged", cursor=f"{read}:{now}:{count}")
    if now != seen:
        message = f"{files} files, changed; they are read when they have not changed until the next tick"
        return Part(f"campaign {settings.name}: {message}", cursor=f"{read}:{now}:{count}")
    number = int(count) + 1
    request = dg.RunRequest(run_key=f"corpus:{settings.name}:{now}:{number}", partition_key=settings.name)
    message = f"{files} files, changed since the corpus was read: reading it again"
    return Part(f"campaign {settings.name}: {message}", [request], cursor=f"{now}:{now}:{number}")


def _fingerprint(campaign: Campaign) -> tuple[int, str]:
    """How many files there are, and a hash of their names, sizes and times of change."""
    folder = campaign.references_folder
    digest, count = hashlib.sha256(), 0
    if folder.is_dir():
        for file in files_below(folder):
            count += 1
            digest.update(os.fsencode(file.path.relative_to(folder)) + b"\0")
            try:
                status = file.path.stat()
                digest.update(f"{status.st_size}:{status.st_mtime_ns}\0".encode())
            except OSError as error:
                digest.update(f"{error.errno}\0".encode())
    return count, digest.hexdigest()[:32]
