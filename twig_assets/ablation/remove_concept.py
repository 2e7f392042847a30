"""`twig ablate`: removing one concept from one checkpoint, evaluating the edit and writing it, without a campaign."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError
from rich.table import Table

from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.evaluation.figures import Evaluation
from twig_assets.ablation.judged import ablate_and_evaluate
from twig_assets.generation import GenerationSettings, fingerprint, load_checkpoint
from twig_assets.judge.opening import open_judge
from twig_assets.judge.unjudged import Unjudged
from twig_assets.settings.ablation import AblationSettings, ConceptTarget
from twig_assets.settings.judge import JudgeSettings, judge_for


@dataclass(frozen=True)
class Removed:
    """An edit that was written, and what it does.

    Attributes:
        edit: The edit, with its evaluation in it.
        evaluation: The same evaluation as an object, with the target's images.
        file: The edit's file.
        picture: A PNG file with the target's images before the edit, and below them after it.
    """

    edit: ConceptEdit
    evaluation: Evaluation
    file: Path
    picture: Path


class RequestError(ValueError):
    """The concept or the settings are not valid; the message names each field and says what is wrong with it."""


def ablation_request(concept: dict[str, Any], settings: dict[str, Any]) -> tuple[ConceptTarget, AblationSettings]:
    """Check the fields of a concept and of the settings that a person typed.

    Raises:
        RequestError: With every problem.
    """
    try:
        target, ablation = ConceptTarget.model_validate(concept), AblationSettings.model_validate(settings)
    except ValidationError as error:
        raise RequestError("; ".join(_field_error(detail) for detail in error.errors())) from error
    if not target.anchor and target.kind != "style":
        raise RequestError("--anchor: is empty; say what shall be drawn instead of the target")
    return target, ablation


def _field_error(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    return f"{f'--{field}: ' if field else ''}{error['msg'].removeprefix('Value error, ')}"


def remove_concept(
    checkpoint: str,
    concept: ConceptTarget,
    settings: AblationSettings,
    out: Path,
    on_step: Callable[[int, float], None] | None = None,
    judge: JudgeSettings | None = None,
) -> Removed:
    """Ablate, evaluate, and write the edit and a picture of its effect; an edit that is refused is written too.

    A fine-tuning that was interrupted goes on with the same call: until the edit is written, its state lies beside it
    in the folder `NAME.training`.

    Args:
        checkpoint: `embedded`, a folder or a hub id.
        concept: What to remove.
        settings: Method and weights, what is drawn to judge the edit, and the gate.
        out: The safetensors file to write; the picture is written beside it.
        on_step: Called with the steps done and the loss while fine-tuning.
        judge: Who judges the edit; the embedded judge that of the embedded checkpoint and nobody another's when None.

    Raises:
        CheckpointError: If the checkpoint cannot be opened.
        JudgeError: If the judge cannot be opened.
        IndistinctConceptError: If its text encoder reads target and anchor alike.
    """
    chosen = judge_for(checkpoint, judge)
    clip = Unjudged() if chosen.nobody else open_judge(chosen).clip
    pipeline, training = load_checkpoint(checkpoint), out.with_suffix(".training")
    edit, evaluation = ablate_and_evaluate(
        pipeline, concept, settings, GenerationSettings(), fingerprint(pipeline), training, lambda: clip, on_step
    )
    edit = replace(edit, evaluation=evaluation.model_dump(mode="json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    edit.save(out)
    shutil.rmtree(training, ignore_errors=True)
    picture = out.with_suffix(".png")
    sides = [images for images in (evaluation.before, evaluation.after) if images is not None]
    Image.fromarray(np.concatenate([np.concatenate(list(images[:8]), axis=1) for images in sides])).save(picture)
    return Removed(edit, evaluation, out, picture)


def tables(evaluation: Evaluation) -> list[Table]:
    """Two tables for a terminal: the figures of each prompt, and the summary."""
    prompts = Table("role", "prompt", "images", "CLIP accuracy", "CLIP score", "KID")
    for figures in evaluation.figures:
        prompts.add_row(
            figures.role,
            figures.prompt,
            str(figures.n),
            f"{figures.accuracy_before:.0%} → {figures.accuracy_after:.0%}",
            f"{figures.score_before:.2f} → {figures.score_after:.2f}",
            "-" if figures.kid is None else f"{figures.kid.value:.3f}",
        )
    summary = Table("figure", "value", "95 % interval", "images")
    for name, figure in evaluation.summary().items():
        interval = f"{figure.low:.3f} to {figure.high:.3f}"
        summary.add_row(name.replace("_", " "), f"{figure.value:.3f}", interval, str(figure.n))
    return [prompts, summary]
