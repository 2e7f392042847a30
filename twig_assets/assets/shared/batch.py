"""The batch that a run works on: what the assets of a batch begin with."""

from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from twig_assets.compliance.attempts import Batch, Made, Models, Report
from twig_assets.provenance.marking import marker
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
)

Item = TypeVar("Item")


def work_on_batch(
    work: Callable[[Batch, Models, Report], Made[Item]],
    what: str,
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    progress: ProgressResource,
    engine: EngineResource,
) -> tuple[Batch, Made[Item]]:
    """Make what the partition's batch lacks.

    Args:
        work: Makes it; one of `compliance.attempts`.
        what: What is made, for progress reports: `images` or `masks`.
        context: Of the asset.
        campaigns: Reads the campaign of the batch.
        catalog: Opens the catalog.
        store: Opens the artifact store.
        models: Opens the models, as far as they are needed.
        progress: Takes the reports.
        engine: Draws and segments.

    Returns:
        The batch, and what was made.
    """
    settings = campaigns.of_batch(context.partition_key)
    mark = marker(settings.policy_file)
    with engine.elsewhere() as elsewhere:
        batch = Batch(
            context.partition_key, settings, catalog.open(), store.open(), context.run.run_id, mark, elsewhere
        )
        return batch, work(batch, models, progress.reporter(context, what))
