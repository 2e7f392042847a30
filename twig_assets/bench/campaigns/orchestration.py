"""What Dagster, the catalog and tracking cost beside the models, and how the sensors bear a large catalog."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import dagster as dg

from twig_assets.assets import audit_warnings, generated_images, masks, regenerated_images
from twig_assets.bench.campaigns.many_rows import PER_BATCH, fill
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize, ordinary_prompts
from twig_assets.bench.report import Bar, Measured
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import auditing
from twig_assets.resources import ModelResource
from twig_assets.sensors import ssim_violations
from twig_assets.sensors.jobs import BATCH_ASSETS
from twig_assets.tracking import Sender

BATCH = 64
TICKS = 5
# So many prompts are drawn first, so that models are open and kernels compiled when the batch is measured.
WARM_UP = 2

Clock = dict[str, float]


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure everything anew.

    Args:
        quick: Draw with two steps, fill 100 batches instead of 1,000 and materialize five of them again.
        grid: Not used; nothing that is drawn here is worth looking at.
    """
    with tempfile.TemporaryDirectory(prefix="twig-orchestration-") as folder:
        cost = batch_cost(Workspace(Path(folder) / "batch"), steps=2 if quick else None)
        many = many_batches(Workspace(Path(folder) / "many"), *((100, 5) if quick else (1000, 25)))
    bars = [
        Bar(name="overhead_share", value=cost["overhead_share"], goal=0.15, direction="<="),
        Bar(name="tick_seconds_100k", value=many[0]["seconds_median"], goal=2.0, direction="<="),
        Bar(name="no_change_models_opened", value=float(many[1]["models_opened"]), goal=0, direction="<="),
    ]
    return Measured(bars=bars, rows=[cost, *many])


def batch_cost(workspace: Workspace, steps: int | None = None) -> dict[str, Any]:
    """Draw and audit a batch of 64 prompts, with a clock on the work itself.

    The overhead is all that is neither the models' time (generator, segmenter, CLIP) nor the comparison with protected
    works: Dagster, catalog, artifact store, MLflow, thumbnails. Its share is that of the models' time.

    Args:
        workspace: Empty.
        steps: Of the sampler; its own default if None.
    """
    settings = {"generation": {"steps": steps}} if steps else {}
    workspace.write("campaign.yaml", {"title": "Batch", "batch_size": BATCH, "max_attempts": 1, **settings})
    workspace.write("concepts.yaml", [])
    workspace.write("policy.yaml", {"ssim_threshold": 0.99, "masked_ssim_threshold": 0.99})
    workspace.write("prompts.yaml", ordinary_prompts(BATCH + WARM_UP))
    workspace.protect(8)
    with workspace.entered() as found:
        keys = [f"{NAME}-000", f"{NAME}-001"]
        found[0].add_dynamic_partitions("prompt_batches", keys)
        materialize(found, ["protected_concepts", "reference_corpus"])
        materialize(found, ["composed_model"])
        materialize(found, BATCH_ASSETS, keys[1])
        clock: Clock = {}
        started = time.monotonic()
        with clocked(clock):
            materialize(found, BATCH_ASSETS, keys[0])
        wall = time.monotonic() - started
    overhead = wall - clock["models"] - clock["comparison"]
    return {
        "row": "batch",
        "prompts": BATCH,
        "seconds": wall,
        "models": clock["models"],
        "comparison": clock["comparison"],
        "overhead": overhead,
        "overhead_share": overhead / clock["models"],
        "of_which_mlflow": clock["mlflow"],
        "of_which_store": clock["store"],
        "of_which_catalog_transactions": clock["catalog"],
    }


@contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Add up, until the `with` block ends, the seconds spent in models, comparison, MLflow, store and catalog.

    Store and catalog overlap, since masks are stored inside a transaction.
    """
    timed = [
        (generated_images, "generate", "models"),
        (masks, "masks_from", "models"),
        (regenerated_images, "regenerate", "models"),
        (regenerated_images, "segment", "models"),
        (audit_warnings, "clip_similarity", "models"),
        (auditing, "audit", "comparison"),
        (auditing, "planted_recall", "comparison"),
        (auditing, "ReferenceIndex", "comparison"),
        (auditing, "read_references", "comparison"),
        (Sender, "send_or_keep", "mlflow"),
        (ArtifactStore, "put_bytes", "store"),
        (ArtifactStore, "open", "store"),
    ]
    clock |= dict.fromkeys(["models", "comparison", "mlflow", "store", "catalog"], 0.0)
    with ExitStack() as stack:
        for owner, name, kind in timed:
            stack.enter_context(patch.object(owner, name, _timed(getattr(owner, name), clock, kind)))
        plain = Catalog.session

        @contextmanager
        def session(self: Catalog) -> Iterator[Any]:
            started = time.monotonic()
            with plain(self) as opened:
                yield opened
            clock["catalog"] += time.monotonic() - started

        stack.enter_context(patch.object(Catalog, "session", session))
        yield


def _timed(function: Callable[..., Any], clock: Clock, kind: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.monotonic()
        try:
            return function(*arguments, **named)
        finally:
            clock[kind] += time.monotonic() - started

    return timed


class GuardedModels(ModelResource):
    """Opens no model and counts who asks for one."""

    def base(self, campaign: Campaign) -> Any:
        """Count instead, as do all others."""
        _asked()

    def composed(self, campaign: Campaign, weights: dict[str, bytes]) -> Any:
        """Count instead."""
        _asked()

    def segmenter(self, campaign: Campaign) -> Any:
        """Count instead."""
        _asked()

    def clip(self) -> Any:
        """Count instead."""
        _asked()


_asks: list[None] = []


def _asked() -> NoReturn:
    _asks.append(None)
    raise AssertionError("nothing has changed, and a model was asked for")


def many_batches(workspace: Workspace, count: int, again: int) -> list[dict[str, Any]]:
    """Fill a catalog, tick the sensor that holds it against the rules, and materialize batches that want nothing.

    Args:
        workspace: Empty.
        count: Batches to fill the catalog with.
        again: How many of them to materialize, spread over all; the tick has looked at every one.
    """
    _asks.clear()
    with workspace.entered() as found:
        fill(workspace, found, count)
        ticks = [_tick(found) for _ in range(TICKS)]
        started = time.monotonic()
        drawn = 0
        for number in range(0, count, count // again):
            result = materialize(found, BATCH_ASSETS, f"{NAME}-{number:03d}", models=GuardedModels())
            drawn += sum(_made(event) for event in result.get_asset_materialization_events())
        seconds = time.monotonic() - started
    images = count * PER_BATCH * 2
    return [
        {"row": "tick", "audited_images": images, "seconds_median": statistics.median(ticks), "seconds": ticks},
        {
            "row": "no change",
            "batches": again,
            "models_opened": len(_asks),
            "made": drawn,
            "seconds": seconds,
            "seconds_per_batch": seconds / again,
        },
    ]


def _tick(found: tuple[dg.DagsterInstance, dg.Definitions]) -> float:
    instance, defs = found
    repository = defs.get_repository_def()
    with dg.build_sensor_context(
        repository_def=repository,
        sensor_name=ssim_violations.name,
        resources=repository.get_top_level_resources(),
        instance_ref=instance.get_ref(),
    ) as context:
        started = time.monotonic()
        data = ssim_violations.evaluate_tick(context)
        seconds = time.monotonic() - started
    if data.run_requests:
        raise AssertionError(f"nothing is due, and runs were asked for: {data.skip_message}")
    return seconds


def _made(event: dg.DagsterEvent) -> int:
    """Images, masks and audits that an asset says it made."""
    metadata = event.materialization.metadata
    return sum(int(str(metadata[name].value)) for name in ("images", "masks", "audits") if name in metadata)
