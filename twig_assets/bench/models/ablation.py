"""Benchmark `ablation`: sixteen concepts removed by each method: what is left, what else was harmed, and the cost.

Every method is asked for the same task, and judged on the same seeds, prompts and spellings, none of which any method
trains on. Rows are kept below the state folder as they are finished, so the same command goes on.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image

from twig_assets.ablation import (
    AblationSettings,
    ConceptEdit,
    Evaluation,
    EvaluationSettings,
    ablate,
    compose,
    evaluate,
)
from twig_assets.ablation.evaluation.copies import copies_of
from twig_assets.ablation.evaluation.prompts import LEAKS
from twig_assets.bench.memory import PeakMemory
from twig_assets.bench.models.ablation_bars import COMPOSED, bars
from twig_assets.bench.models.ablation_tasks import QUICK, UNRELATED, Task, tasks
from twig_assets.bench.models.ablation_work import Work
from twig_assets.bench.models.artist import BATCH
from twig_assets.bench.report import Measured, commit_of
from twig_assets.generation import GenerationSettings, fingerprint
from twig_assets.model_zoo import load_clip, load_pipeline, planted
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.settings.ablation import Method, TuningSettings
from twig_assets.settings.home import home
from twig_assets.similarity import Policy

SEED = 9_000_011
# Fewer than the pipeline's twenty, which take two thirds longer.
STEPS = 12
METHODS: tuple[Method, ...] = get_args(Method)
# The demo campaign's thresholds, which are stricter than the defaults.
POLICY = Policy(ssim_threshold=0.5, masked_ssim_threshold=0.5, review_margin=0.1)
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


@dataclass(frozen=True)
class Models:
    """The embedded models, opened once."""

    pipeline: Any
    clip: Any
    judge: Any
    base_sha256: str
    generation: GenerationSettings


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
        UnknownChoiceError: For a method or task that there is not.
    """
    wanted, picked = _methods(methods), _tasks(chosen, quick)
    pipeline = load_pipeline()
    models = Models(
        pipeline,
        load_clip(),
        load_classifier(),
        fingerprint(pipeline),
        GenerationSettings(batch_size=BATCH, steps=STEPS),
    )
    sizes = SMALL if quick else FULL
    described = {
        "sizes": sizes.model_dump(mode="json"),
        "base": models.base_sha256,
        "policy": POLICY.model_dump(),
        "steps": STEPS,
        "longer": LONGER,
        "tuning": [one.model_dump() for one in (TUNED, TUNED_LONGER, TUNED_MEMORISED)],
    }
    work = Work(home() / "bench" / "ablation", described)
    rows = list(_rows(models, work, picked, wanted, sizes))
    if "fast" in wanted and len(picked) > 1:
        rows.append(_composed(models, work, picked, sizes))
    if grid is not None:
        write_grid(grid, work, [task.name for task in picked], wanted)
    return Measured(bars=bars(rows), rows=rows)


def settings_of(method: Method, task: Task, sizes: EvaluationSettings) -> AblationSettings:
    """What a method is given for a task."""
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
    models: Models, work: Work, picked: Sequence[Task], methods: Sequence[Method], sizes: EvaluationSettings
) -> Iterator[dict[str, Any]]:
    # Method by method, so that a run that is stopped has whole columns.
    for method in methods:
        for at, task in enumerate(picked, 1):
            name = f"{task.name}.{method}"
            row = work.row(name)
            if row is None:
                _log.warning("%s, task %d of %d: %s", method, at, len(picked), task.name)
                row = _row(models, work, task, method, sizes)
            yield row


def _row(models: Models, work: Work, task: Task, method: Method, sizes: EvaluationSettings) -> dict[str, Any]:
    settings = settings_of(method, task, sizes)
    is_copy = copies_of(planted.picture(task.work), POLICY) if task.work else None
    began = time.process_time()
    with PeakMemory() as memory:
        edit = ablate(models.pipeline, task.concept, settings, models.base_sha256, is_copy=is_copy)
    seconds = time.process_time() - began
    known = work.unedited(task.name)
    drawn = len(known)
    with _drawing_faster(models.pipeline):
        found = evaluate(
            models.pipeline,
            edit,
            models.clip,
            models.generation,
            unedited=known,
            copies={task.name: is_copy} if is_copy else None,
        )
    if len(known) > drawn:
        work.keep_unedited(task.name, known)
    assert found.before is not None
    assert found.after is not None
    work.strip(f"{task.name}.before", found.before)
    row = {
        "task": task.name,
        "kind": task.concept.kind,
        "method": method,
        "commit": commit_of(),
        "cpu_seconds": seconds,
        "peak_mib": memory.mib,
        **figures(found),
        "judge_before": _recognised(models, task, found.before),
        "judge_after": _recognised(models, task, found.after),
    }
    work.keep(f"{task.name}.{method}", row, found.after, edit)
    return row


@contextmanager
def _drawing_faster(pipeline: Any) -> Iterator[None]:
    """Weights in the channels-last layout, which draws the same in three quarters of the time.

    Only while an edit is judged: what making it costs is measured with the layout that users get.
    """
    pipeline.unet.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        pipeline.unet.to(memory_format=torch.contiguous_format)


def figures(found: Evaluation) -> dict[str, Any]:
    """The columns of a row: estimates as dicts, None for what a kind of concept does not have."""
    targets = [one for one in found.figures if one.role == "target"]
    kept = [one for one in found.figures if one.role in ("anchor", "surrounding")]
    weights = [one.n for one in targets], [one.n for one in kept]
    summary = {name: estimate.model_dump() for name, estimate in found.summary().items()}
    return {
        "samples": found.samples,
        "first_seed": found.first_seed,
        "target_accuracy_before": float(np.average([one.accuracy_before for one in targets], weights=weights[0])),
        "target_accuracy": float(np.average([one.accuracy_after for one in targets], weights=weights[0])),
        "copies_before": _mean([one.copies_before for one in targets if one.copies_before is not None]),
        "surrounding_accuracy_before": _mean([one.accuracy_before for one in kept]),
        "surrounding_accuracy": _mean([one.accuracy_after for one in kept]),
        "leakage_before": _mean(
            [
                one.accuracy_before if one.copies_before is None else one.copies_before
                for one in found.figures
                if one.role in LEAKS
            ]
        ),
        "leakage": max((estimate.value for estimate in found.leakage.values()), default=None),
        **{
            name: summary.get(name)
            for name in (
                "target_share",
                "copy_share",
                "surrounding_drop",
                "adversarial_share",
                "unrelated_drop",
                "target_kid",
                "surrounding_kid",
            )
        },
        **{name: estimate for name, estimate in summary.items() if name.startswith("leakage_")},
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _recognised(models: Models, task: Task, images: np.ndarray) -> float | None:
    """Share of images in which a classifier that is no part of the generator sees the target; None for works."""
    if task.work:
        return None
    concepts, styles = models.judge.classify(images)
    if task.concept.kind == "style":
        return float(np.mean([models.judge.styles[i] == task.name for i in styles.argmax(1)]))
    wanted = task.concept.target
    return float(np.mean([models.judge.concepts[i].lower() == wanted for i in concepts.argmax(1)]))


def _composed(models: Models, work: Work, picked: Sequence[Task], sizes: EvaluationSettings) -> dict[str, Any]:
    """All edits of `fast` at once, without other spellings."""
    name = f"{COMPOSED}.fast.{'+'.join(task.name for task in picked)}"[:200]
    row = work.row(name)
    if row is not None:
        return row
    _log.warning("composed: %d edits", len(picked))
    edits = [_comparable(work.edit(f"{task.name}.fast"), sizes) for task in picked]
    judged = sizes.model_copy(update={"variants": 0, "adversarial_samples": 0})
    copies = {task.name: copies_of(planted.picture(task.work), POLICY) for task in picked if task.work}
    known = work.unedited(COMPOSED)
    for task in picked:
        known |= work.unedited(task.name)
    began = time.process_time()
    edit = compose(edits, models.pipeline)
    seconds = time.process_time() - began
    with _drawing_faster(models.pipeline):
        found = evaluate(
            models.pipeline, edit, models.clip, models.generation, settings=judged, copies=copies, unedited=known
        )
    work.keep_unedited(COMPOSED, known)
    assert found.after is not None
    row = {
        "task": COMPOSED,
        "kind": COMPOSED,
        "method": "fast",
        "commit": commit_of(),
        "edits": len(edits),
        "cpu_seconds": seconds,
        **figures(found),
        "by_concept": _by_concept(found),
    }
    work.keep(name, row, found.after)
    return row


def _comparable(edit: ConceptEdit, sizes: EvaluationSettings) -> ConceptEdit:
    """The edit with settings that all tasks share: compose refuses others, and the evaluation's are not the edit's."""
    settings = edit.settings.model_copy(update={"evaluation": sizes})
    return ConceptEdit(edit.parts, edit.base_sha256, settings)


def _by_concept(found: Evaluation) -> dict[str, dict[str, float | None]]:
    return {
        name: {
            "target_accuracy": _mean([one.accuracy_after for one in mine if one.role == "target"]),
            "copy_share": _mean([n for one in mine if one.role == "target" and (n := one.copies_after) is not None]),
            "surrounding_drop": _mean(
                [one.accuracy_before - one.accuracy_after for one in mine if one.role in ("anchor", "surrounding")]
            ),
        }
        for name in dict.fromkeys(one.concept for one in found.figures if one.concept)
        if (mine := [one for one in found.figures if one.concept == name])
    }


def write_grid(path: Path, work: Work, names: Sequence[str], methods: Sequence[str]) -> None:
    """Write a PNG: for each task a strip of images before, and below it one after each method."""
    strips = []
    for name in names:
        for column in ("before", *methods):
            with Image.open(work.folder / f"{name}.{column}.png") as opened:
                strips.append(np.asarray(opened))
    width = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, 2), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in strips]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(padded)).save(path)
