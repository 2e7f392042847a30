"""Benchmark `real-size`: real architectures with random weights, since pretrained ones cannot be had here.

Checkpoints are written once, tensor by tensor, into `real-size` in the state folder (`TWIG_HOME`), 4 to 24 GB; delete
the folder afterwards. Every piece of work runs in a process of its own, whose peak memory is its own.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from segment_anything import sam_model_registry

from twig_assets.bench.models.real_size.architectures import ARCHITECTURES
from twig_assets.bench.models.real_size.campaign import run_campaign
from twig_assets.bench.models.real_size.process import ended
from twig_assets.bench.models.real_size.random_weights import random_tensor, write_pipeline
from twig_assets.bench.report import Bar, Measured
from twig_assets.files import written_whole
from twig_assets.settings.home import home
from twig_assets.settings.opening import NumberFormat

Row = dict[str, Any]
# What is done with which model; the first by default, all with `--full`.
_WORK = {
    "sd15": ("draw", "closed_form", "fast"),
    "sdxl": ("draw", "closed_form"),
    "klein": ("draw", "closed_form"),
    "z-image": ("draw", "closed_form"),
}
_SMALL = ("sd15",)
_GIB = {"sd15": 16.0, "sdxl": 24.0}


class WorkFailedError(RuntimeError):
    """A piece of work ended with an error; the message has what it said last."""


def measure(quick: bool = False, grid: Path | None = None, full: bool = False) -> Measured:
    """Measure Stable Diffusion 1.5 and a vit_b; with `full` all models, and a whole campaign.

    Args:
        quick: Draw only.
        grid: Has no effect: what random weights draw is noise.
        full: All models, and a campaign of Stable Diffusion 1.5. It takes hours on two cores.

    Raises:
        WorkFailedError: If a piece of work fails.
    """
    folder = home() / "real-size"
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(_rows(folder, ARCHITECTURES if full else _SMALL, quick))
    if full:
        rows += run_campaign(folder / "campaign", folder / "sd15", segmenter_file(folder))
    return Measured(bars=bars(rows), rows=rows)


def bars(rows: Sequence[Row]) -> list[Bar]:
    """The most memory that any work with a model took, in GiB."""
    known = {name for name in _GIB if any(row["model"] == name for row in rows)}
    return [
        Bar(
            name=f"{name}_peak_gib",
            value=max(row["peak_gib"] for row in rows if row["model"] == name),
            goal=goal,
            direction="<=",
        )
        for name, goal in _GIB.items()
        if name in known
    ]


def segmenter_file(folder: Path) -> Path:
    """A `vit_b` file with random weights, written once."""
    path = folder / "vit_b.pth"
    if not path.exists():
        with torch.device("meta"):
            state = sam_model_registry["vit_b"]().state_dict()
        with written_whole(path) as partial:
            torch.save(
                {
                    name: random_tensor(name, value.shape, torch.Generator().manual_seed(i))
                    for i, (name, value) in enumerate(state.items())
                },
                partial,
            )
    return path


def _rows(folder: Path, models: Sequence[str] | dict[str, Any], quick: bool) -> Iterator[Row]:
    for name in models:
        architecture = ARCHITECTURES[name]
        size = write_pipeline(architecture.pipeline(), folder / name, architecture.dtype)
        for work in _WORK[name][:1] if quick else _WORK[name]:
            row = _worked(work, folder / name, architecture.opened_as, architecture.side)
            yield {"model": name, "work": work, "cut": architecture.cut, "files_gib": round(size / 2**30, 2), **row}
    if not quick:
        file = segmenter_file(folder)
        row = _worked("masks", file, "float32", 512)
        yield {"model": "vit_b", "work": "masks", "cut": "", "files_gib": round(file.stat().st_size / 2**30, 2), **row}


def _worked(work: str, place: Path, dtype: NumberFormat, side: int) -> Row:
    line = [sys.executable, "-m", "twig_assets.bench.models.real_size.work", work, str(place), dtype, str(side)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    said, cost = ended(process)
    if cost["status"] != 0:
        raise WorkFailedError(f"{work} with {place.name} ended with status {cost['status']}: {said[-2000:]}")
    row: Row = json.loads(said.splitlines()[-1])
    return row
