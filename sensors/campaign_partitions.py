"""The sensor that turns the campaigns' files into partitions."""

import dagster as dg

from twig_assets.prompts import batches, read_concepts, read_prompts
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.resources import CampaignsResource, CatalogResource
from twig_assets.sensors.each_campaign import Part, for_each_campaign
from twig_assets.sensors.jobs import BATCHES, CAMPAIGNS, CONCEPTS
from twig_assets.settings.home import sensor_seconds


@dg.sensor(
    name="campaign_partitions",
    minimum_interval_seconds=sensor_seconds(60),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads the prompts and concepts of every campaign and adds a partition for every new campaign, batch "
    "and concept.",
)
def campaign_partitions(
    context: dg.SensorEvaluationContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.SensorResult:
    """Request the partitions that are in the files but not in the instance."""

    def work(name: str, _cursor: str) -> Part:
        settings = campaigns.load(name)
        wanted = {
            CAMPAIGNS: [name],
            BATCHES: [key for key, _ in batches(read_prompts(settings.folder), name, settings.batch_size)],
            CONCEPTS: [concept_key(name, row.name) for row in read_concepts(settings.concepts_file)],
        }
        found = f"{len(wanted[BATCHES])} batches and {len(wanted[CONCEPTS])} concepts"
        return Part(f"campaign {name}: {found}", partitions=wanted)

    return for_each_campaign(context, campaigns, catalog.open(), work)
