"""The rows of the benchmark `ablation`: an edit is made, judged and kept, or all edits of `fast` are composed."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

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
from twig_assets.ablation.evaluation.figures import PromptFigures
from twig_assets.ablation.evaluation.prompts import LEAKS
from twig_assets.bench.memory import PeakMemory
from twig_assets.bench.models.ablation_bars import COMPOSED
from twig_assets.bench.models.ablation_cache import AblationCache
from twig_assets.bench.models.ablation_tasks import Task
from twig_assets.bench.report import commit_of
from twig_assets.generation import GenerationSettings
from twig_assets.model_zoo import planted
from twig_assets.similarity import Policy

# The demo campaign's thresholds, which are stricter than the defaults.
POLICY = Policy(ssim_threshold=0.5, masked_ssim_threshold=0.5, review_margin=0.1)
_MAX_FILE_NAME = 200
_KEPT = ("anchor", "surrounding")
_ESTIMATES = (
    "target_share",
    "copy_share",
    "surrounding_drop",
    "adversarial_share",
    "unrelated_drop",
    "target_kid",
    "surrounding_kid",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Models:
    """The embedded models, opened once, and how the generator draws."""

    pipeline: Any
    clip: Any
    judge: Any
    base_sha256: str
    generation: GenerationSettings


def row(models: Models, cache: AblationCache, task: Task, settings: AblationSettings) -> dict[str, Any]:
    """The row of one method on one task: taken from the cache, or made and kept there.

    Args:
        models: The unedited models; unedited again afterwards.
        cache: Of rows, edits and unedited images.
        task: What to remove.
        settings: The method, and how its edit is judged.
    """
    name = f"{task.name}.{settings.method}"
    if kept := cache.row(name):
        return kept
    is_copy = copies_of(planted.picture(task.work), POLICY) if task.work else None
    started = time.process_time()
    with PeakMemory() as memory:
        edit = ablate(models.pipeline, task.concept, settings, models.base_sha256, is_copy=is_copy)
    seconds = time.process_time() - started
    unedited = cache.unedited(task.name)
    count = len(unedited)
    with _faster_layout(models.pipeline):
        evaluation = evaluate(
            models.pipeline,
            edit,
            models.clip,
            models.generation,
            unedited=unedited,
            copies={task.name: is_copy} if is_copy else None,
        )
    if len(unedited) > count:
        cache.keep_unedited(task.name, unedited)
    assert evaluation.before is not None
    assert evaluation.after is not None
    cache.keep_strip(f"{task.name}.before", evaluation.before)
    made = {
        "task": task.name,
        "kind": task.concept.kind,
        "method": settings.method,
        "commit": commit_of(),
        "cpu_seconds": seconds,
        "peak_mib": memory.mib,
        **figures(evaluation),
        "judge_before": _recognised(models, task, evaluation.before),
        "judge_after": _recognised(models, task, evaluation.after),
    }
    cache.keep(name, made, evaluation.after, edit)
    return made


def composed_row(
    models: Models, cache: AblationCache, tasks: Sequence[Task], sizes: EvaluationSettings
) -> dict[str, Any]:
    """The row of all edits of `fast` applied at once, judged without other spellings; its edits are in the cache."""
    name = f"{COMPOSED}.fast.{'+'.join(task.name for task in tasks)}"[:_MAX_FILE_NAME]
    if kept := cache.row(name):
        return kept
    _log.warning("composed: %d edits", len(tasks))
    edits = [_comparable(cache.edit(f"{task.name}.fast"), sizes) for task in tasks]
    unedited = cache.unedited(COMPOSED)
    for task in tasks:
        unedited |= cache.unedited(task.name)
    started = time.process_time()
    edit = compose(edits, models.pipeline)
    seconds = time.process_time() - started
    with _faster_layout(models.pipeline):
        evaluation = evaluate(
            models.pipeline,
            edit,
            models.clip,
            models.generation,
            settings=sizes.model_copy(update={"variants": 0, "adversarial_samples": 0}),
            copies={task.name: copies_of(planted.picture(task.work), POLICY) for task in tasks if task.work},
            unedited=unedited,
        )
    cache.keep_unedited(COMPOSED, unedited)
    assert evaluation.after is not None
    made = {
        "task": COMPOSED,
        "kind": COMPOSED,
        "method": "fast",
        "commit": commit_of(),
        "edits": len(edits),
        "cpu_seconds": seconds,
        **figures(evaluation),
        "by_concept": _by_concept(evaluation),
    }
    cache.keep(name, made, evaluation.after)
    return made


@contextmanager
def _faster_layout(pipeline: Any) -> Iterator[None]:
    """Keep the weights in the channels-last layout, which draws the same in three quarters of the time.

    Only while an edit is judged: what making it costs is measured with the layout that users get.
    """
    pipeline.unet.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        pipeline.unet.to(memory_format=torch.contiguous_format)


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """The columns of a row: estimates as dicts, None for what a kind of concept does not have."""
    targets = [figure for figure in evaluation.figures if figure.role == "target"]
    kept = [figure for figure in evaluation.figures if figure.role in _KEPT]
    leaks = [figure for figure in evaluation.figures if figure.role in LEAKS]
    weights = [figure.n for figure in targets]
    summary = {name: estimate.model_dump() for name, estimate in evaluation.summary().items()}
    return {
        "samples": evaluation.samples,
        "first_seed": evaluation.first_seed,
        "target_accuracy_before": float(np.average([figure.accuracy_before for figure in targets], weights=weights)),
        "target_accuracy": float(np.average([figure.accuracy_after for figure in targets], weights=weights)),
        "copies_before": _mean([figure.copies_before for figure in targets if figure.copies_before is not None]),
        "surrounding_accuracy_before": _mean([figure.accuracy_before for figure in kept]),
        "surrounding_accuracy": _mean([figure.accuracy_after for figure in kept]),
        "leakage_before": _mean(
            [figure.accuracy_before if figure.copies_before is None else figure.copies_before for figure in leaks]
        ),
        "leakage": max((estimate.value for estimate in evaluation.leakage.values()), default=None),
        **{name: summary.get(name) for name in _ESTIMATES},
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
    target = task.concept.target
    return float(np.mean([models.judge.concepts[i].lower() == target for i in concepts.argmax(1)]))


def _comparable(edit: ConceptEdit, sizes: EvaluationSettings) -> ConceptEdit:
    """The edit with settings that all tasks share: compose refuses others, and the evaluation's are not the edit's."""
    settings = edit.settings.model_copy(update={"evaluation": sizes})
    return ConceptEdit(edit.parts, edit.base_sha256, settings)


def _by_concept(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    concepts = dict.fromkeys(figure.concept for figure in evaluation.figures if figure.concept)
    return {name: _concept_means([f for f in evaluation.figures if f.concept == name]) for name in concepts}


def _concept_means(figures: Sequence[PromptFigures]) -> dict[str, float | None]:
    targets = [figure for figure in figures if figure.role == "target"]
    kept = [figure for figure in figures if figure.role in _KEPT]
    return {
        "target_accuracy": _mean([figure.accuracy_after for figure in targets]),
        "copy_share": _mean([figure.copies_after for figure in targets if figure.copies_after is not None]),
        "surrounding_drop": _mean([figure.accuracy_before - figure.accuracy_after for figure in kept]),
    }
