"""Benchmark `ablation`: sixteen concepts removed by each method: what is left, what else was harmed, and the cost.

Every method gets the same tasks and is judged on the same seeds, prompts and spellings, none of which any method trains
on. Finished rows are kept below the state folder, so the same command goes on after an interruption.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image

from twig_assets.ablation import AblationSettings, EvaluationSettings
from twig_assets.bench.models.ablation_bars import bars
from twig_assets.bench.models.ablation_cache import AblationCache
from twig_assets.bench.models.ablation_rows import POLICY, Models, composed_row, row
from twig_assets.bench.models.ablation_tasks import QUICK, UNRELATED, Task, tasks
from twig_assets.bench.models.artist import BATCH
from twig_assets.bench.report import Measured
from twig_assets.generation import GenerationSettings, fingerprint
from twig_assets.model_zoo import load_clip, load_pipeline
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.settings.ablation import Method, TuningSettings
from twig_assets.settings.home import home

SEED = 9_000_011
# Fewer than the pipeline's twenty, which take two thirds longer.
STEPS = 12
METHODS: tuple[Method, ...] = get_args(Method)
FULL = EvaluationSettings(
    samples=200,
    surrounding_samples=24,
    variants=20,
    variant_samples=2,
    adversarial_samples=24,
    unrelated=UNRELATED,
    unrelated_samples=2,
    first_seed=SEED,
)
SMALL = EvaluationSettings(
    samples=16,
    surrounding_samples=4,
    variants=8,
    adversarial_samples=4,
    unrelated=UNRELATED[:10],
    unrelated_samples=1,
    first_seed=SEED,
)
# The paper's budget (its reference code at c11fb1b): 200 anchor images; 100 steps of 8 pairs on keys and values, or 400
# on all weights with the regulariser for a memorised picture. This small model needs larger rates.
TUNED = TuningSettings(steps=100, batch_size=8, anchor_images=200, learning_rate=6.5e-4)
# Where those 100 steps of `model_based` left the target in some of 200 images, twice as many left it in none.
TUNED_LONGER = TUNED.model_copy(update={"steps": 200})
LONGER = ("unicorn", "twemoji", "noto", "fluent")
TUNED_MEMORISED = TuningSettings(
    parameters="full", steps=400, batch_size=4, anchor_images=200, learning_rate=2e-5, prior_weight=1.0
)
_log = logging.getLogger(__name__)


class UnknownChoiceError(ValueError):
    """No task or method has the given name; the message lists those that exist."""


def measure(
    quick: bool = False,
    grid: Path | None = None,
    methods: Sequence[str] | None = None,
    chosen: Sequence[str] | None = None,
) -> Measured:
    """Measure every method on every task, on one thread.

    Args:
        quick: Draw a twelfth of the images and, unless tasks are named, take six of the sixteen.
        grid: Also write there a PNG: for each task a strip of the target's images before, and one after each method.
        methods: Some of METHODS; all when None.
        chosen: Names of tasks; all when None. `all` names all of them.

    Raises:
        UnknownChoiceError: If there is no such method or task.
    """
    chosen_methods, chosen_tasks = _methods(methods), _tasks(chosen, quick)
    pipeline = load_pipeline()
    generation = GenerationSettings(batch_size=BATCH, steps=STEPS)
    models = Models(pipeline, load_clip(), load_classifier(), fingerprint(pipeline), generation)
    sizes = SMALL if quick else FULL
    cache = AblationCache(home() / "bench" / "ablation", _cache_key(models, sizes))
    rows = list(_rows(models, cache, chosen_tasks, chosen_methods, sizes))
    if "fast" in chosen_methods and len(chosen_tasks) > 1:
        rows.append(composed_row(models, cache, chosen_tasks, sizes))
    if grid is not None:
        write_grid(grid, cache, [task.name for task in chosen_tasks], chosen_methods)
    return Measured(bars=bars(rows), rows=rows)


def _cache_key(models: Models, sizes: EvaluationSettings) -> dict[str, Any]:
    return {
        "sizes": sizes.model_dump(mode="json"),
        "base": models.base_sha256,
        "policy": POLICY.model_dump(),
        "steps": STEPS,
        "longer": LONGER,
        "tuning": [tuning.model_dump() for tuning in (TUNED, TUNED_LONGER, TUNED_MEMORISED)],
    }


def settings_of(method: Method, task: Task, sizes: EvaluationSettings) -> AblationSettings:
    """The settings that a method gets for a task."""
    longer = method == "model_based" and task.name in LONGER
    tuning = TUNED_MEMORISED if task.work else TUNED_LONGER if longer else TUNED
    judged = sizes
    if task.concept.subjects:
        # As many images of a style as of an object: its subjects share them.
        judged = sizes.model_copy(
            update={
                name: -(-getattr(sizes, name) // len(task.concept.subjects))
                for name in ("surrounding_samples", "adversarial_samples")
            }
        )
    if method in ("model_based", "noise_based"):
        return AblationSettings(method=method, tuning=tuning, evaluation=judged)
    return AblationSettings(method=method, evaluation=judged)


def _methods(names: Sequence[str] | None) -> list[Method]:
    for name in names or ():
        if name not in METHODS:
            raise UnknownChoiceError(f"there is no method {name!r}; choose some of {', '.join(METHODS)}")
    return [method for method in METHODS if names is None or method in names]


def _tasks(names: Sequence[str] | None, quick: bool) -> list[Task]:
    known = {task.name: task for task in tasks()}
    if names is None:
        names = QUICK if quick else tuple(known)
    elif list(names) == ["all"]:
        names = tuple(known)
    for name in names:
        if name not in known:
            raise UnknownChoiceError(f"there is no task {name!r}; choose some of {', '.join(known)}, or all")
    return [task for name, task in known.items() if name in names]


def _rows(
    models: Models,
    cache: AblationCache,
    chosen: Sequence[Task],
    methods: Sequence[Method],
    sizes: EvaluationSettings,
) -> Iterator[dict[str, Any]]:
    # Method by method, so that a run that is stopped has whole columns.
    for method in methods:
        for number, task in enumerate(chosen, 1):
            _log.warning("%s, task %d of %d: %s", method, number, len(chosen), task.name)
            yield row(models, cache, task, settings_of(method, task, sizes))


def write_grid(path: Path, cache: AblationCache, names: Sequence[str], methods: Sequence[str]) -> None:
    """Write a PNG: for each task a strip of images before, and below it one after each method."""
    strips = []
    for name in names:
        for column in ("before", *methods):
            with Image.open(cache.folder / f"{name}.{column}.png") as opened:
                strips.append(np.asarray(opened))
    width = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, 2), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in strips]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(padded)).save(path)
