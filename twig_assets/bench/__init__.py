"""Benchmarks: every figure the project states is measured here, by `twig bench NAME`."""

import contextlib
import sys
from importlib import import_module
from pathlib import Path

from twig_assets.bench.report import Bar, BenchReport, Measured, commit_of, environment

__all__ = ["Bar", "BenchReport", "Measured", "UnknownBenchmarkError", "names", "run"]

# Each module has `measure(quick, grid) -> Measured`. They load models, so they are imported when asked for.
_MODULES = {
    "detectors": "twig_assets.bench.detectors",
    "model-zoo": "twig_assets.bench.model_zoo",
    "orchestration": "twig_assets.trials.orchestration",
    "regeneration": "twig_assets.bench.regeneration",
    "similarity": "twig_assets.bench.similarity",
}


class UnknownBenchmarkError(ValueError):
    """No benchmark has the given name; the message lists those that exist."""


def names() -> list[str]:
    """The benchmarks that exist."""
    return sorted(_MODULES)


def run(name: str, quick: bool = False, grid: Path | None = None) -> BenchReport:
    """Measure one benchmark now.

    Args:
        name: One of `names()`.
        quick: Take a smaller sample; the report says so.
        grid: Also write a PNG of samples there, for a person to look at.

    Returns:
        The report. Whatever libraries print meanwhile goes to standard error, never to standard output.

    Raises:
        UnknownBenchmarkError: If there is no such benchmark.
    """
    if name not in _MODULES:
        raise UnknownBenchmarkError(f"There is no benchmark '{name}'; choose one of: {', '.join(names())}.")
    with contextlib.redirect_stdout(sys.stderr):
        measured = import_module(_MODULES[name]).measure(quick=quick, grid=grid)
    return BenchReport(
        bench=name, commit=commit_of(), environment=environment(quick), bars=measured.bars, rows=measured.rows
    )
