"""Fine-tuning all weights where an edit of cross-attention leaves a memorised picture in the model."""

from pathlib import Path

import torch

from twig_assets.ablation.edits.applying import apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.methods.anchor_images import IsCopy, decoded
from twig_assets.ablation.methods.sampling import sampled
from twig_assets.ablation.methods.tune import OnStep, tune
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.generation import Pipeline

# The published bar: at most so large a share of images may reproduce the picture.
MAX_COPY_SHARE = 0.02
_IMAGES = 16
_STEPS = 12


def escalated(
    pipeline: Pipeline, edit: ConceptEdit, is_copy: IsCopy, folder: Path | None, on_step: OnStep | None
) -> ConceptEdit:
    """The edit itself if it removes the picture; otherwise full-weight fine-tuning with the paper's regulariser.

    Args:
        pipeline: The unedited model.
        edit: Of one memorised concept.
        is_copy: Which images reproduce the picture.
        folder: Where fine-tuning keeps its state.
        on_step: Called with the steps done and the loss.
    """
    if copy_share(pipeline, edit, is_copy) <= MAX_COPY_SHARE:
        return edit
    tuning = edit.settings.tuning.model_copy(update={"parameters": "full", "prior_weight": 1.0})
    settings = edit.settings.model_copy(update={"method": "model_based", "tuning": tuning})
    (concept,) = edit.concepts
    deltas = tune(pipeline, concept, settings, folder, is_copy, on_step, edit.base_sha256)
    return ConceptEdit((EditPart(concept, deltas=deltas),), edit.base_sha256, edit.settings)


@torch.no_grad()
def copy_share(pipeline: Pipeline, edit: ConceptEdit, is_copy: IsCopy) -> float:
    """Share of a few images of the caption and its paraphrases that still reproduce the picture, 0 to 1."""
    (concept,) = edit.concepts
    prompts = [pair.prompt for pair in training_pairs(concept, edit.settings)]
    asked = [concept.target if i % 2 else prompts[i % len(prompts)] for i in range(_IMAGES)]
    apply(pipeline, edit, edit.base_sha256)
    try:
        images = decoded(pipeline, sampled(pipeline, asked, _STEPS, edit.settings.seed))
    finally:
        remove(pipeline)
    return float(is_copy(images).mean())
