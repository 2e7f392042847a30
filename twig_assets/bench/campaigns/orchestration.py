"""Benchmark `orchestration`: what all that is not a model costs, and how the sensors bear a large catalog."""

import tempfile
from pathlib import Path

from twig_assets.bench.campaigns.overhead import batch_cost
from twig_assets.bench.campaigns.unchanged_batches import many_batches
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.bench.report import Bar, Measured


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure the cost of a batch that is drawn, of a sensor's tick, and of batches where nothing has changed.

    Args:
        quick: Draw with two steps, fill 100 batches instead of 1,000 and materialize five of them again.
        grid: Not used; nothing that is drawn here is worth looking at.
    """
    with tempfile.TemporaryDirectory(prefix="twig-orchestration-") as folder:
        cost = batch_cost(Workspace(Path(folder) / "batch"), steps=2 if quick else None)
        tick, unchanged = many_batches(Workspace(Path(folder) / "many"), *((100, 5) if quick else (1000, 25)))
    bars = [
        Bar(name="overhead_share", value=cost["overhead_share"], goal=0.15, direction="<="),
        Bar(name="tick_seconds_100k", value=tick["seconds_median"], goal=2.0, direction="<="),
        Bar(name="no_change_models_opened", value=float(unchanged["models_opened"]), goal=0, direction="<="),
    ]
    return Measured(bars=bars, rows=[cost, tick, unchanged])
