"""One run at a time at a partition of an asset: `twig run` and the daemon may both want the same batch."""

import functools
from collections.abc import Callable
from typing import Any

import dagster as dg

from resources import CatalogResource


def one_run_at_a_time(make: Callable[..., Any]) -> Callable[..., Any]:
    """Let a second run wait until the first is through with this partition; it then finds nothing left to do.

    Args:
        make: The function of a partitioned asset that takes the resource `catalog`.
    """

    @functools.wraps(make)
    def alone(context: dg.AssetExecutionContext, catalog: CatalogResource, **others: Any) -> Any:
        waiting = f"another process works on {context.partition_key}; waiting until it is through"
        with catalog.open().claimed(context.partition_key, lambda: context.log.info(waiting)):
            return make(context, catalog=catalog, **others)

    return alone
