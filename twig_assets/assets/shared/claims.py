"""One run at a time at an asset or a partition of it: `twig run` and the daemon may both want the same batch."""

import functools
from collections.abc import Callable
from typing import Any

import dagster as dg

from twig_assets.assets.shared.failures import permanent_failures
from twig_assets.assets.shared.partitions import all_campaigns
from twig_assets.resources import CatalogResource


def one_run_at_a_time(make: Callable[..., Any]) -> Callable[..., Any]:
    """Let a second run wait until the first has finished this asset or partition; it then has what the first made.

    Errors that another try does not mend end the run as `permanent_failures` says.

    Args:
        make: The function of an asset that takes the resource `catalog`.
    """

    @functools.wraps(make)
    def claimed(context: dg.AssetExecutionContext, catalog: CatalogResource, **others: Any) -> Any:
        claim = _claim(context)
        message = f"another process works on {claim}; waiting until it has finished"
        with catalog.open().claimed(claim, lambda: context.log.info(message)), permanent_failures():
            return make(context, catalog=catalog, **others)

    return claimed


def _claim(context: dg.AssetExecutionContext) -> str:
    """What nobody else may work on meanwhile: a batch or a concept; of a campaign, the one asset."""
    definition = context.assets_def.partitions_def
    of_campaign = isinstance(definition, dg.DynamicPartitionsDefinition) and definition.name == all_campaigns.name
    return f"{context.asset_key.to_user_string()} of {context.partition_key}" if of_campaign else context.partition_key
