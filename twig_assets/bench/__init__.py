"""Benchmarks: every figure the project states is measured here, by `twig bench NAME`."""

import contextlib
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from twig_assets.bench.report import Bar, BenchReport, Measured, commit_of, environment

__all__ = ["Bar", "BenchReport", "Measured", "UnknownBenchmarkError", "names", "run"]

# Each module has `measure(quick, grid) -> Measured`. They import torch, Dagster and the peers that they compare with,
# seconds that `twig bench list` and a benchmark that needs few of them shall not wait for, so they are named and
# imported when asked for. import-linter does not see these names, and does not need to: all of them lie in `bench`
# itself, whose layer it checks. A test imports every one.
MODULES = {
    "ablation": "twig_assets.bench.models.ablation",
    "audit": "twig_assets.bench.audit.cost",
    "campaign": "twig_assets.bench.campaigns.campaign",
    "desk": "twig_assets.bench.campaigns.desk",
    "detectors": "twig_assets.bench.audit.detectors",
    "engines": "twig_assets.bench.audit.engines",
    "families": "twig_assets.bench.models.families",
    "faults": "twig_assets.bench.campaigns.faults",
    "hardening": "twig_assets.bench.hardening.hardening",
    "index": "twig_assets.bench.audit.index",
    "marks": "twig_assets.bench.marks.marks",
    "model-zoo": "twig_assets.bench.models.model_zoo",
    "moves": "twig_assets.bench.models.moves",
    "orchestration": "twig_assets.bench.campaigns.orchestration",
    "real-size": "twig_assets.bench.models.real_size.real_size",
    "regeneration": "twig_assets.bench.models.regeneration",
    "tamper": "twig_assets.bench.campaigns.tamper",
    "similarity": "twig_assets.bench.audit.similarity",
}

_CHOOSABLE = "ablation"
_LARGER = ("campaign", "detectors", "faults", "index", "real-size")


class UnknownBenchmarkError(ValueError):
    """No benchmark has the given name; the message lists those that exist."""


def names() -> list[str]:
    """The names of all benchmarks, in alphabetical order."""
    return sorted(MODULES)


def run(
    name: str,
    quick: bool = False,
    grid: Path | None = None,
    methods: list[str] | None = None,
    tasks: list[str] | None = None,
    full: bool = False,
) -> BenchReport:
    """Run one benchmark.

    Args:
        name: One of `names()`.
        quick: Take a smaller sample; the report says so.
        grid: Also write a PNG of samples there, for a person to look at.
        methods: For `ablation`: measure only these methods; all when None.
        tasks: For `ablation`: measure only these tasks; those of the sample's size when None.
        full: For `campaign`, `detectors`, `faults`, `index` and `real-size`: take a larger sample; the report says so.

    Returns:
        The report. Whatever libraries print meanwhile goes to standard error, never to standard output.

    Raises:
        UnknownBenchmarkError: If there is no such benchmark, or it has no methods and tasks to choose from, or no
            larger sample.
    """
    if name not in MODULES:
        raise UnknownBenchmarkError(f"There is no benchmark '{name}'; choose one of: {', '.join(names())}.")
    choice: dict[str, Any] = {"methods": methods, "chosen": tasks} if name == _CHOOSABLE else {}
    if not choice and (methods or tasks):
        raise UnknownBenchmarkError(f"Only {_CHOOSABLE} has methods and tasks; leave them out for '{name}'.")
    if full and name not in _LARGER:
        larger = ", ".join(_LARGER)
        raise UnknownBenchmarkError(f"Only {larger} have a larger sample; leave --full out for '{name}'.")
    if full:
        choice = {"full": True}
    with contextlib.redirect_stdout(sys.stderr):
        measured = import_module(MODULES[name]).measure(quick=quick, grid=grid, **choice)
    described = environment(quick) | ({"full": True} if full else {})
    return BenchReport(bench=name, commit=commit_of(), environment=described, bars=measured.bars, rows=measured.rows)
