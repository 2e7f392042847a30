"""Fine-tuning all weights where another edit leaves a memorised picture in the model."""

from dataclasses import replace

import torch

from twig_assets.ablation.edits.applying import apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.methods.anchor_images import decoded, sampled
from twig_assets.ablation.methods.fine_tuning import tune, why_not_tuned
from twig_assets.ablation.methods.method import AblationTask, IsCopy
from twig_assets.ablation.methods.model_based import anchor_prediction
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.generation import Pipeline

# The published bar: at most this share of images may reproduce the picture.
MAX_COPY_SHARE = 0.02
_IMAGES = 16
_STEPS = 12


def escalated(task: AblationTask, part: EditPart) -> EditPart:
    """The part itself if it removes the picture; otherwise a `model_based` fine-tuning of the whole denoiser.

    The fine-tuning has the paper's regulariser. A model that cannot be fine-tuned keeps the part as it is; what is left
    of the picture is then for the evaluation to count.

    Args:
        task: Of a memorised concept, with `is_copy`.
        part: What the method computed for it.
    """
    assert task.is_copy is not None
    if why_not_tuned(task.pipeline):
        return part
    edit = ConceptEdit((part,), task.base_sha256, task.settings)
    if copy_share(task.pipeline, edit, task.is_copy) <= MAX_COPY_SHARE:
        return part
    tuning = task.settings.tuning.model_copy(update={"parameters": "full", "prior_weight": 1.0})
    settings = task.settings.model_copy(update={"method": "model_based", "tuning": tuning})
    return EditPart(task.concept, deltas=tune(replace(task, settings=settings), anchor_prediction))


@torch.no_grad()
def copy_share(pipeline: Pipeline, edit: ConceptEdit, is_copy: IsCopy) -> float:
    """Share of a few images of the caption and its paraphrases that still reproduce the picture, 0 to 1."""
    (concept,) = edit.concepts
    paraphrases = [pair.prompt for pair in training_pairs(concept, edit.settings)]
    prompts = [concept.target if i % 2 else paraphrases[i % len(paraphrases)] for i in range(_IMAGES)]
    apply(pipeline, edit, edit.base_sha256)
    try:
        images = decoded(pipeline, sampled(pipeline, prompts, _STEPS, edit.settings.seed))
    finally:
        remove(pipeline)
    return float(is_copy(images).mean())
