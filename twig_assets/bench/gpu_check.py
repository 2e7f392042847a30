"""`make gpu-check`: everything that computes on a GPU, there and on the CPU, in at most eight minutes.

It draws, ablates with every method, regenerates, segments and audits with the embedded models, and prints the time, the
GPU's memory and how far the results are from the CPU's. `python -m twig_assets.bench.gpu_check --help` has the options.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, ablate
from twig_assets.bench.report import commit_of
from twig_assets.generation import GenerationSettings, OpeningSettings, Pipeline, generate, load_checkpoint
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.segmentation import load_segmenter, segment
from twig_assets.settings.ablation import DistillationSettings, Method, TuningSettings
from twig_assets.settings.home import quiet_model_libraries
from twig_assets.similarity import Policy, ReferenceImage, audit

_LIMIT = 8 * 60.0
_PROMPTS = ("a fox on a blue background", "a castle", "an owl in the snow", "a red boat")
_CONCEPT = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("wolf", "cat"))
# Grey levels of 255: rounding adds up over the steps, and another picture is far beyond it.
_LEVELS = 12.0
# Of an edit's length; of masks that do not overlap.
_SHARE = 0.1
_METHODS: tuple[Method, ...] = ("closed_form", "fast", "model_based", "noise_based")


@dataclass(frozen=True)
class Checked:
    """One thing done on the device and on the CPU.

    Attributes:
        name: What was done.
        seconds: On the device.
        cpu_seconds: On the CPU.
        peak_mib: Most memory that torch held on the device; None where it does not say.
        difference: How far the results are apart, and in what.
        measure: In what.
        within: The most that counts as the same.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_mib: float | None
    difference: float
    measure: str
    within: float

    @property
    def same(self) -> bool:
        """Whether the results are the same but for rounding; NaN is not."""
        return self.difference <= self.within

    def line(self) -> str:
        """For a terminal."""
        memory = "" if self.peak_mib is None else f", {self.peak_mib:.0f} MiB"
        found = "same" if self.same else "DIFFERENT"
        return (
            f"{self.name}: {self.seconds:.2f} s{memory} (CPU {self.cpu_seconds:.2f} s); {found}: {self.difference:.4g} "
            f"{self.measure}, at most {self.within:g}"
        )


@dataclass(frozen=True)
class Sizes:
    """How much is done of each."""

    images: int = 4
    steps: int = 20
    distillation: int = 40
    tuning: int = 4


class _Sides:
    """The same models on the device and on the CPU."""

    def __init__(self, device: str, sizes: Sizes) -> None:
        self.device, self.sizes = device, sizes
        self.pipelines: dict[str, Pipeline] = {
            side: load_checkpoint("embedded", opening=OpeningSettings(device=side)) for side in (device, "cpu")
        }
        self.prompts, self.seeds = _PROMPTS[: sizes.images], range(sizes.images)
        self.settings = GenerationSettings(steps=sizes.steps)
        self.first = generate(self.pipelines["cpu"], self.prompts, self.seeds, self.settings)

    def masks(self) -> np.ndarray:
        """Ellipses, the same for both sides."""
        count, height, width = self.first.shape[:3]
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        return np.repeat((x**2 + y**2 < 0.4)[None], count, axis=0)

    def drawn(self, side: str) -> np.ndarray:
        return generate(self.pipelines[side], self.prompts, self.seeds, self.settings).astype(float)

    def edit(self, method: Method, side: str) -> ConceptEdit:
        settings = AblationSettings(
            method=method,
            distillation=DistillationSettings(steps=self.sizes.distillation, batch_size=8),
            tuning=TuningSettings(steps=self.sizes.tuning, batch_size=4, anchor_images=4, learning_rate=1e-4),
        )
        return ablate(self.pipelines[side], _CONCEPT, settings, "0" * 64)

    def again(self, side: str) -> np.ndarray:
        seeds = [seed + 100 for seed in self.seeds]
        how, pipeline = RegenerationSettings(strategy="repel"), self.pipelines[side]
        return regenerate(pipeline, self.prompts, self.first, self.masks(), seeds, how, self.settings).astype(float)

    def cut_out(self, side: str) -> np.ndarray:
        return np.stack([each.mask for each in segment(self.first, load_segmenter("embedded", device=side))])

    def audited(self, side: str) -> list[str]:
        images = generate(self.pipelines[side], self.prompts, self.seeds, self.settings)
        works = [ReferenceImage(Path("first.png"), "first", "", "", "0" * 64, self.first[0])]
        return [result.verdict for result in audit(images, works, Policy())]


def check(device: str, sizes: Sizes | None = None, limit: float = _LIMIT) -> tuple[list[Checked], list[str]]:
    """Do everything on a device and on the CPU.

    Args:
        device: As torch names it.
        sizes: How much of each.
        limit: Seconds; what would begin later is left out.

    Returns:
        What was done, and the names of what was left out.
    """
    started, sides = time.monotonic(), _Sides(device, sizes or Sizes())
    done, left = [], []
    for name, work, difference, measure, within in _tasks(sides):
        if time.monotonic() - started > limit:
            left.append(name)
            continue
        done.append(_compared(name, device, work, difference, measure, within))
    return done, left


Task = tuple[str, Callable[[str], Any], Callable[[Any, Any], float], str, float]


def _tasks(sides: _Sides) -> list[Task]:
    levels = "grey levels on average"
    ablations: list[Task] = [
        (f"ablate: {method}", partial(sides.edit, method), partial(_edits_apart, sides), "of the edit's length", _SHARE)
        for method in _METHODS
    ]
    return [
        ("draw", sides.drawn, _images_apart, levels, _LEVELS),
        *ablations,
        ("regenerate", sides.again, _images_apart, levels, _LEVELS),
        ("segment", sides.cut_out, _masks_apart, "of the masks' union", _SHARE),
        ("audit", sides.audited, _verdicts_apart, "of the verdicts", 0.0),
    ]


def _compared(
    name: str,
    device: str,
    work: Callable[[str], Any],
    difference: Callable[[Any, Any], float],
    measure: str,
    within: float,
) -> Checked:
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    result, seconds = _timed(work, device)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else None
    expected, cpu_seconds = _timed(work, "cpu")
    return Checked(name, seconds, cpu_seconds, peak, difference(result, expected), measure, within)


def _timed(work: Callable[[str], Any], device: str) -> tuple[Any, float]:
    started = time.monotonic()
    result = work(device)
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return result, time.monotonic() - started


def _images_apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def _masks_apart(first: np.ndarray, second: np.ndarray) -> float:
    union = (first | second).sum()
    return float((first ^ second).sum() / union) if union else 0.0


def _verdicts_apart(first: Sequence[str], second: Sequence[str]) -> float:
    return float(np.mean([one != other for one, other in zip(first, second, strict=True)]))


@torch.no_grad()
def _edits_apart(sides: _Sides, first: ConceptEdit, second: ConceptEdit) -> float:
    deltas, expected = (edit.deltas(sides.pipelines["cpu"]) for edit in (first, second))
    apart = sum(float((deltas[name].double() - value.double()).square().sum()) for name, value in expected.items())
    length = sum(float(value.double().square().sum()) for value in expected.values())
    return float(np.sqrt(apart / length))


def main(arguments: Sequence[str] | None = None) -> int:
    """The script; returns its exit status: 0 if all is the same, 1 if not, 2 where there is no such device."""
    parser = argparse.ArgumentParser(prog="gpu-check", description="Compare a GPU with the CPU on everything.")
    parser.add_argument("--device", help="cuda, cuda:1, mps, xpu; a GPU by default. cpu compares it with itself.")
    parser.add_argument("--quick", action="store_true", help="as little as possible of each")
    chosen = parser.parse_args(arguments)
    device = chosen.device or ("cuda" if torch.cuda.is_available() else None)
    if device is None:
        print("no GPU: torch finds none on this machine, so nothing was checked. --device cpu only tries the script.")
        return 2
    quiet_model_libraries()
    sizes = Sizes(images=2, steps=2, distillation=2, tuning=1) if chosen.quick else Sizes()
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    print(f"{name}, torch {torch.__version__}, commit {commit_of()[:12]}, {asdict(sizes)}")
    done, left = check(device, sizes)
    for checked in done:
        print(checked.line())
    for what in left:
        print(f"{what}: not run, the {_LIMIT / 60:.0f} minutes were over")
    print(f"{sum(checked.same for checked in done)} of {len(done) + len(left)} are the same as on the CPU")
    return 0 if all(checked.same for checked in done) and not left else 1


if __name__ == "__main__":
    sys.exit(main())
