"""What Dagster, the catalog, the artifact store and MLflow cost beside the models."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from twig_assets.bench.campaigns.clocked_engine import ClockedEngines, worked
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize, ordinary_prompts
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import scoring
from twig_assets.compliance.attempts import drawing
from twig_assets.judge.judge import Judge
from twig_assets.resources.engine import end_engines
from twig_assets.segmentation import RememberingSegmenter
from twig_assets.sensors.jobs import BATCH_ASSETS
from twig_assets.settings.generation import GenerationSettings
from twig_assets.tracking import Sender

BATCH = 64
# Prompts drawn before the batch that is measured, so that models are open and kernels compiled.
WARM_UP = 2
RAY_WORKERS = 2

Clock = dict[str, float]

MODEL_WORK: tuple[tuple[Any, str], ...] = (
    (drawing, "generate"),
    (drawing, "masks_from"),
    (drawing, "regenerate"),
    (RememberingSegmenter, "segmentations"),
    (Judge, "shown"),
)
"""The functions in which a batch's models work, each with the module or class where it is looked up."""

TIMED: tuple[tuple[Any, str, str], ...] = (
    *((owner, name, "models") for owner, name in MODEL_WORK),
    *((scoring.FolderScoring, name, "comparison") for name in ("__init__", "results", "recall", "rest")),
    (Sender, "send_or_keep", "mlflow"),
    (ArtifactStore, "put_bytes", "store"),
    (ArtifactStore, "open", "store"),
)
"""All functions that have a clock, and what their seconds are added to."""


def batch_cost(workspace: Workspace, steps: int | None = None) -> dict[str, Any]:
    """Draw and audit a batch of 64 prompts, with a clock on the work itself.

    The overhead is all time that neither the models (generator, segmenter, CLIP) nor the comparison with protected
    works took: Dagster, catalog, artifact store, MLflow, thumbnails. `overhead_share` is overhead / models' time.

    Args:
        workspace: An empty one.
        steps: Of the sampler, at least 1; its default if None.
    """
    wall, clock = _measured(workspace, steps, WARM_UP)
    return {
        "row": "batch",
        **_shares(wall, clock["models"], clock["comparison"]),
        "of_which_mlflow": clock["mlflow"],
        "of_which_store": clock["store"],
        "of_which_catalog_transactions": clock["catalog"],
    }


def ray_batch_cost(workspace: Workspace, steps: int | None = None) -> dict[str, Any]:
    """The same by RAY_WORKERS workers of a Ray on this machine, which have started and opened the models before.

    The models' time is that of the workers, taken there and divided by their number, and that of this process. So
    whatever keeps a worker waiting is overhead: handing out, bringing back, an uneven share, the work of this process.
    """
    # A worker gets a chunk of as many prompts, and each has to get one before the measurement.
    chunk = GenerationSettings().batch_size
    engine = ClockedEngines(engine="ray", workers=RAY_WORKERS)
    try:
        wall, clock = _measured(workspace, steps, chunk * (RAY_WORKERS - 1) + WARM_UP, engine=engine)
    finally:
        end_engines()
    models, comparison = (clock[kind] + worked[kind] / RAY_WORKERS for kind in ("models", "comparison"))
    return {
        "row": "batch by Ray",
        "workers": RAY_WORKERS,
        **_shares(wall, models, comparison),
        "seconds_of_workers": dict(worked),
        "models_in_this_process": clock["models"],
    }


def _measured(workspace: Workspace, steps: int | None, warm_up: int, **resources: Any) -> tuple[float, Clock]:
    """Seconds that a batch took as a whole and by its parts, after another with `warm_up` prompts."""
    settings = {"generation": {"steps": steps}} if steps else {}
    workspace.write("campaign.yaml", {"title": "Batch", "batch_size": BATCH, "max_attempts": 1, **settings})
    workspace.write("concepts.yaml", [])
    workspace.write("policy.yaml", {"ssim_threshold": 0.99, "masked_ssim_threshold": 0.99})
    workspace.write("prompts.yaml", ordinary_prompts(BATCH + warm_up))
    workspace.protect(8)
    with workspace.entered() as location:
        keys = [f"{NAME}-000", f"{NAME}-001"]
        location[0].add_dynamic_partitions("prompt_batches", keys)
        materialize(location, ["protected_concepts", "reference_corpus"], NAME)
        materialize(location, ["composed_model"], NAME)
        materialize(location, BATCH_ASSETS, keys[1], **resources)
        worked.update(dict.fromkeys(worked, 0.0))
        clock: Clock = {}
        started = time.monotonic()
        with clocked(clock):
            materialize(location, BATCH_ASSETS, keys[0], **resources)
        return time.monotonic() - started, clock


def _shares(wall: float, models: float, comparison: float) -> dict[str, Any]:
    overhead = wall - models - comparison
    return {
        "prompts": BATCH,
        "seconds": wall,
        "models": models,
        "comparison": comparison,
        "overhead": overhead,
        "overhead_share": overhead / models,
    }


@contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Add up, until the `with` block ends, the seconds spent in models, comparison, MLflow, store and catalog.

    Store and catalog overlap, since masks are stored inside a transaction.
    """
    clock |= dict.fromkeys(["models", "comparison", "mlflow", "store", "catalog"], 0.0)
    with ExitStack() as stack:
        for owner, name, kind in TIMED:
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
        started, before = time.monotonic(), clock[kind]
        try:
            return function(*arguments, **named)
        finally:
            # What calls of the same kind within this one have added is a part of its own time.
            clock[kind] = before + time.monotonic() - started

    return timed
