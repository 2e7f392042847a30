"""The sensor that turns the campaign's files into partitions."""

import dagster as dg

from twig_assets.prompts import batches, read_concepts, read_prompts
from twig_assets.resources import CampaignResource
from twig_assets.sensors.jobs import BATCHES, CONCEPTS
from twig_assets.settings.home import sensor_seconds


@dg.sensor(
    name="campaign_partitions",
    minimum_interval_seconds=sensor_seconds(60),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads the campaign's prompts and concepts and adds a partition for every new batch and concept.",
)
def campaign_partitions(
    context: dg.SensorEvaluationContext, campaign: CampaignResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the partitions that are in the files but not in the instance."""
    settings = campaign.load()
    wanted = {
        BATCHES: [key for key, _ in batches(read_prompts(settings.folder), settings.name, settings.batch_size)],
        CONCEPTS: [f"{settings.name}.{row.name}" for row in read_concepts(settings.concepts_file)],
    }
    requests = []
    for name, keys in wanted.items():
        existing = set(context.instance.get_dynamic_partitions(name))
        if new := [key for key in keys if key not in existing]:
            requests.append(dg.DynamicPartitionsDefinition(name=name).build_add_request(new))
    if not requests:
        return dg.SkipReason(
            f"campaign {settings.name}: {len(wanted[BATCHES])} batches and all concepts are partitions already"
        )
    return dg.SensorResult(dynamic_partitions_requests=requests)
