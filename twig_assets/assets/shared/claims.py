"""One run at a time at an asset or a partition of it: `twig run` and the daemon may both want the same batch."""

import functools
from collections.abc import Callable
from typing import Any

import dagster as dg

from twig_assets.resources import CatalogResource


def one_run_at_a_time(make: Callable[..., Any]) -> Callable[..., Any]:
    """Let a second run wait until the first is through with this asset or partition; it then finds what that one made.

    Args:
        make: The function of an asset that takes the resource `catalog`.
    """

    @functools.wraps(make)
    def alone(context: dg.AssetExecutionContext, catalog: CatalogResource, **others: Any) -> Any:
        claim = context.partition_key if context.has_partition_key else context.asset_key.to_user_string()
        waiting = f"another process works on {claim}; waiting until it is through"
        with catalog.open().claimed(claim, lambda: context.log.info(waiting)):
            return make(context, catalog=catalog, **others)

    return alone
