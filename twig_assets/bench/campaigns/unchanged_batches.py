"""How the sensors bear a large catalog, and what assets do when nothing has changed: no model may be opened."""

import statistics
import time
from typing import Any, NoReturn

import dagster as dg

from twig_assets.bench.campaigns.filled_catalog import PER_BATCH, fill
from twig_assets.bench.campaigns.ticks import timed_ticks
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize, with_environment
from twig_assets.campaign import Campaign
from twig_assets.resources import ModelResource
from twig_assets.sensors.jobs import BATCH_ASSETS

opened: list[str] = []
"""The models that assets asked `GuardedModels` for."""


class GuardedModels(ModelResource):
    """A resource that opens no model and keeps account of what it was asked for in `opened`."""

    def base(self, campaign: Campaign) -> Any:
        """Refuse."""
        _refuse("base")

    def composed(self, campaign: Campaign, weights: dict[str, bytes]) -> Any:
        """Refuse."""
        _refuse("composed")

    def segmenter(self, campaign: Campaign) -> Any:
        """Refuse."""
        _refuse("segmenter")

    def judge(self, campaign: Campaign) -> Any:
        """Refuse."""
        _refuse("judge")


def _refuse(model: str) -> NoReturn:
    opened.append(model)
    raise AssertionError(f"nothing has changed, and a model was asked for: {model}")


def many_batches(workspace: Workspace, count: int, repeated: int, campaigns: int = 1) -> list[dict[str, Any]]:
    """Fill a catalog, tick the sensor that compares it with the rules, and materialize batches that lack nothing.

    Args:
        workspace: An empty one.
        count: Batches to fill the catalog with for every campaign, at least 1.
        repeated: How many of the first campaign's to materialize again, spread evenly; the tick looks at all of them.
        campaigns: How many campaigns there are.

    Returns:
        A row for the ticks and one for the repeated batches.

    Raises:
        AssertionError: If the sensor asks for a run or an asset asks for a model.
    """
    opened.clear()
    served = [Workspace(workspace.folder, f"{NAME}{number or ''}") for number in range(campaigns)]
    with with_environment(TWIG_CAMPAIGN=""), workspace.entered() as location:
        for campaign in served:
            fill(campaign, location, count)
        ticks = timed_ticks()
        started = time.monotonic()
        made = 0
        for number in range(0, count, count // repeated):
            result = materialize(location, BATCH_ASSETS, f"{NAME}-{number:03d}", models=GuardedModels())
            made += sum(_made(event) for event in result.get_asset_materialization_events())
        seconds = time.monotonic() - started
    return [
        {
            "row": "tick",
            "campaigns": campaigns,
            "prompts": campaigns * count * PER_BATCH,
            "audited_images": campaigns * count * PER_BATCH * 2,
            "seconds_median": statistics.median(ticks),
            "seconds": ticks,
        },
        {
            "row": "no change",
            "batches": repeated,
            "models_opened": len(opened),
            "made": made,
            "seconds": seconds,
            "seconds_per_batch": seconds / repeated,
        },
    ]


def _made(event: dg.DagsterEvent) -> int:
    """Images, masks and audits that an asset reports as made."""
    metadata = event.materialization.metadata
    return sum(int(str(metadata[name].value)) for name in ("images", "masks", "audits") if name in metadata)
