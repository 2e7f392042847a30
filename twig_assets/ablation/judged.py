"""Computing an edit and judging it on the same images, for the asset and for `twig ablate`."""

from collections.abc import Callable
from pathlib import Path

from twig_assets.ablation.ablate import ablate
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.evaluation.evaluate import OnDrawn, Unedited, copy_test, evaluate
from twig_assets.ablation.evaluation.figures import Evaluation
from twig_assets.ablation.prompts.neighbours import TextVectors
from twig_assets.ablation.training_state import identity_of
from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.judge.clip import Clip
from twig_assets.judge.unjudged import Unjudged
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


def ablate_and_evaluate(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: AblationSettings,
    generation: GenerationSettings,
    base_sha256: str,
    trainings: Path,
    clip: Callable[[], Clip | Unjudged] | None = None,
    on_step: Callable[[int, float], None] | None = None,
    text_vectors: TextVectors | None = None,
    on_drawn: OnDrawn | None = None,
) -> tuple[ConceptEdit, Evaluation]:
    """Compute the edit that removes a concept, and judge it on images from before and after.

    Args:
        pipeline: The unedited base model; it is unedited again afterwards.
        concept: What to remove.
        settings: Method and weights, what is drawn to judge the edit, and the gate.
        generation: The sampler's settings.
        base_sha256: The base model's fingerprint.
        trainings: Folder where an interrupted training leaves its state; the same call goes on from there.
        clip: Opens the judge, when the edit is there, or says why there is none; the embedded one when None.
        on_step: Called with the steps done and the loss while distilling or fine-tuning.
        text_vectors: Finds surrounding concepts in place of the model's text encoder, see `ablate`.
        on_drawn: Called after every batch of the images that judge the edit.

    Raises:
        IndistinctConceptError: If the text encoder reads target and anchor, or a preserved concept, alike.
        AnchorError: If captions or images of the anchor are of no use.
        TrainingError: If a training comes to nothing.
    """
    unedited: Unedited = {}
    is_copy = copy_test(pipeline, concept, settings.evaluation, generation, unedited)
    folder = trainings / identity_of(concept, settings, base_sha256)
    edit = ablate(
        pipeline,
        concept,
        settings,
        base_sha256,
        folder=folder,
        is_copy=is_copy,
        text_vectors=text_vectors,
        on_step=on_step,
    )
    copies = {concept.name: is_copy} if is_copy else None
    opened = clip() if clip else None
    return edit, evaluate(pipeline, edit, opened, generation, copies=copies, unedited=unedited, on_drawn=on_drawn)
