"""`twig ablate`: one concept removed from one checkpoint, judged, and written to a file, without a campaign."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError
from rich.table import Table

from twig_assets.ablation.ablate import ablate
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.evaluation.evaluate import copy_test, evaluate
from twig_assets.ablation.evaluation.figures import Evaluation
from twig_assets.ablation.training_state import identity_of
from twig_assets.generation import GenerationSettings, fingerprint, load_checkpoint
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


@dataclass(frozen=True)
class Removed:
    """What was done.

    Attributes:
        edit: With its evaluation in it.
        evaluation: The same, as an object.
        file: Where the edit is.
        picture: A PNG: the target's images before, and below them after.
    """

    edit: ConceptEdit
    evaluation: Evaluation
    file: Path
    picture: Path


class RequestError(ValueError):
    """What was asked for cannot be removed so; the message names each field and says what is wrong."""


def ablation_request(concept: dict[str, Any], settings: dict[str, Any]) -> tuple[ConceptTarget, AblationSettings]:
    """Check what a person asked for.

    Raises:
        RequestError: With every problem.
    """
    try:
        wanted, how = ConceptTarget.model_validate(concept), AblationSettings.model_validate(settings)
    except ValidationError as error:
        raise RequestError("; ".join(_complaint(one) for one in error.errors())) from error
    if not wanted.anchor and wanted.kind != "style":
        raise RequestError("--anchor: is empty; say what shall be drawn instead of the target")
    return wanted, how


def _complaint(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    return f"{f'--{field}: ' if field else ''}{error['msg'].removeprefix('Value error, ')}"


def remove_concept(
    checkpoint: str,
    concept: ConceptTarget,
    settings: AblationSettings,
    out: Path,
    on_step: Callable[[int, float], None] | None = None,
) -> Removed:
    """Ablate, evaluate, and write the edit and a picture of it; refused edits are written too.

    A fine-tuning that is interrupted goes on when it is asked for again: until the edit is written, its state lies
    beside it in a folder `NAME.training`.

    Args:
        checkpoint: `embedded`, a folder or a hub id.
        concept: What to remove.
        settings: How, and how it is judged.
        out: The safetensors file; the picture lies beside it.
        on_step: Called with the steps done and the loss while fine-tuning.

    Raises:
        CheckpointError: If the checkpoint cannot be opened.
        IndistinctConceptError: If its text encoder reads target and anchor alike.
    """
    pipeline, generation, known = load_checkpoint(checkpoint), GenerationSettings(), dict[tuple[str, int], np.ndarray]()
    is_copy = copy_test(pipeline, concept, settings.evaluation, generation, known)
    base_sha256, training = fingerprint(pipeline), out.with_suffix(".training")
    folder = training / identity_of(concept, settings, base_sha256)
    edit = ablate(pipeline, concept, settings, base_sha256, folder=folder, is_copy=is_copy, on_step=on_step)
    copies = {concept.name: is_copy} if is_copy else None
    found = evaluate(pipeline, edit, None, generation, copies=copies, unedited=known)
    edit = replace(edit, evaluation=found.model_dump(mode="json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    edit.save(out)
    shutil.rmtree(training, ignore_errors=True)
    picture = out.with_suffix(".png")
    rows = [np.concatenate(list(images[:8]), axis=1) for images in (found.before, found.after) if images is not None]
    Image.fromarray(np.concatenate(rows)).save(picture)
    return Removed(edit, found, out, picture)


def tables(found: Evaluation) -> list[Table]:
    """The figures for a terminal: by prompt, and in all."""
    prompts = Table("role", "prompt", "images", "CLIP accuracy", "CLIP score", "KID")
    for one in found.figures:
        prompts.add_row(
            one.role,
            one.prompt,
            str(one.n),
            f"{one.accuracy_before:.0%} → {one.accuracy_after:.0%}",
            f"{one.score_before:.2f} → {one.score_after:.2f}",
            "-" if one.kid is None else f"{one.kid.value:.3f}",
        )
    summary = Table("figure", "value", "95 % interval", "images")
    for name, figure in found.summary().items():
        interval = f"{figure.low:.3f} to {figure.high:.3f}"
        summary.add_row(name.replace("_", " "), f"{figure.value:.3f}", interval, str(figure.n))
    return [prompts, summary]
