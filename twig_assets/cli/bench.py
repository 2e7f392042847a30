"""The command that measures what the documentation states: bench."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from twig_assets.cli.app import console, use_one_thread
from twig_assets.settings.home import quiet_model_libraries


def bench(
    name: Annotated[str, typer.Argument(help="What to measure; `list` names them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller sample.")] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Of `campaign`, `detectors`, `faults`, `index`, `real-size`: a larger sample."),
    ] = False,
    grid: Annotated[Path | None, typer.Option(help="Also save a PNG of the images that were judged.")] = None,
    methods: Annotated[str | None, typer.Option(help="Of `ablation`: only these, with commas between.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Of `ablation`: only these, with commas between; or `all`.")] = None,
) -> None:
    """Measure, in this run, a figure that the documentation states."""
    from twig_assets import bench as benchmarks

    if name == "list":
        console.print("\n".join(benchmarks.names()))
        return
    use_one_thread()
    quiet_model_libraries()
    measured = benchmarks.run(name, quick, grid, _listed(methods), _listed(tasks), full)
    if as_json:
        sys.stdout.write(measured.to_json() + "\n")
    else:
        console.print(measured.to_table())


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
