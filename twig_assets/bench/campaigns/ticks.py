"""Ticks of the sensor that compares a catalog with the rules, in a process of their own as Dagster's are.

`python -m twig_assets.bench.campaigns.ticks` prints the seconds of each as a JSON list, of the installation that the
environment names. The benchmark's own process has models loaded, whose many objects Python's garbage collector would
look at during a tick.
"""

import json
import subprocess
import sys
import time

import dagster as dg

from twig_assets.bench.campaigns.location import Location, sensor_context
from twig_assets.definitions import build_defs
from twig_assets.sensors import ssim_violations

TICKS = 5


def timed_ticks() -> list[float]:
    """Seconds of each tick over all campaigns of the workspace that was entered.

    Raises:
        AssertionError: If a tick asks for a run, or the process does not end well.
    """
    line = [sys.executable, "-W", "ignore", "-m", "twig_assets.bench.campaigns.ticks"]
    done = subprocess.run(line, check=False, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise AssertionError(f"ticks did not end well: {done.stderr[-2000:]}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _tick(location: Location) -> float:
    with sensor_context(location, ssim_violations) as context:
        started = time.monotonic()
        data = ssim_violations.evaluate_tick(context)
        seconds = time.monotonic() - started
    if data.run_requests:
        raise AssertionError(f"nothing is due, and runs were asked for: {data.skip_message}")
    return seconds


def main() -> None:
    """Tick over the installation that the environment names."""
    with dg.DagsterInstance.get() as instance:
        location = instance, build_defs()
        sys.stdout.write(json.dumps([_tick(location) for _ in range(TICKS)]) + "\n")


if __name__ == "__main__":
    main()
