"""Benchmark `orchestration`: what all that is not a model costs, and how the sensors bear a large catalog."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twig_assets.bench.campaigns.overhead import batch_cost, ray_batch_cost
from twig_assets.bench.campaigns.unchanged_batches import many_batches
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.bench.report import Bar, Measured

STARTS = 3
CAMPAIGNS, BATCHES, REPEATED = 10, 200, 10
"""Ten campaigns of 10,000 prompts, in batches of 50."""


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure a start, what a batch costs here and by Ray, a sensor's tick, and batches where nothing has changed.

    Args:
        quick: Draw with two steps, fill ten campaigns with 10 batches instead of 200 and materialize two of them again.
        grid: Not used; nothing that is drawn here is worth looking at.
    """
    start = start_cost()
    with tempfile.TemporaryDirectory(prefix="twig-orchestration-") as folder:
        steps = 2 if quick else None
        cost = batch_cost(Workspace(Path(folder) / "batch"), steps)
        ray = ray_batch_cost(Workspace(Path(folder) / "ray"), steps)
        count, repeated = (10, 2) if quick else (BATCHES, REPEATED)
        tick, unchanged = many_batches(Workspace(Path(folder) / "many"), count, repeated, CAMPAIGNS)
    bars = [
        Bar(name="start_seconds", value=start["seconds_median"], goal=5.0, direction="<="),
        Bar(name="overhead_share", value=cost["overhead_share"], goal=0.12, direction="<="),
        Bar(name="overhead_share_ray", value=ray["overhead_share"], goal=0.2, direction="<="),
        Bar(name="tick_seconds_100k", value=tick["seconds_median"], goal=2.0, direction="<="),
        Bar(name="no_change_models_opened", value=float(unchanged["models_opened"]), goal=0, direction="<="),
    ]
    return Measured(bars=bars, rows=[start, cost, ray, tick, unchanged])


def start_cost() -> dict[str, Any]:
    """Processor seconds, user and system, of a process that imports the definitions and ends."""
    code = "import time, twig_assets.definitions; print(time.process_time())"
    seconds = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "TWIG_HOME": home},
            )
        seconds.append(float(done.stdout.split()[-1]))
    return {"row": "start", "seconds_median": statistics.median(seconds), "seconds": seconds}
