"""Computing the edit that removes a concept, and one edit out of several."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.edits.merging import merged
from twig_assets.ablation.errors import EditError
from twig_assets.ablation.methods.compression import compressed
from twig_assets.ablation.methods.method import AblationTask, IsCopy, OnStep, method_of
from twig_assets.ablation.prompts.neighbours import TextVectors, neighbours
from twig_assets.ablation.prompts.token_pairs import check_distinct
from twig_assets.generation import Pipeline, fingerprint
from twig_assets.generation.threads import enough_threads
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


def ablate(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: AblationSettings | None = None,
    base_sha256: str | None = None,
    *,
    folder: Path | None = None,
    is_copy: IsCopy | None = None,
    vocabulary: Sequence[str] | None = None,
    text_vectors: TextVectors | None = None,
    on_step: OnStep | None = None,
) -> ConceptEdit:
    """Compute the edit that makes the target's prompts draw the anchor.

    Args:
        pipeline: The unedited base model; it is left as it is.
        concept: Target, anchor and what to preserve. An object without surrounding concepts, or any concept if a
            vocabulary is given, gets those nearest to it.
        settings: Method and weights; the defaults when None.
        base_sha256: `fingerprint(pipeline)` if it is known already.
        folder: Where fine-tuning keeps its state; the same call goes on from there. Nothing is kept when None.
        is_copy: For memorised concepts: uint8 images (n, H, W, 3) -> bool (n,), which of them reproduce the picture.
            With it, such anchor images are left out, and what `fast` does not remove by the text encoder is
            fine-tuned away with all weights.
        vocabulary: Where surrounding concepts are looked up; everyday things when None.
        text_vectors: Compares them with the target, texts to float (n, d): a judge's, say. The model's own text encoder
            when None.
        on_step: Called with the steps done and the loss while distilling or fine-tuning; of a fine-tuning that goes on,
            first with the steps that were done before.

    Raises:
        IndistinctConceptError: If the text encoder reads target and anchor, or a preserved concept, alike.
        AnchorError: If captions or images of the anchor are of no use.
        TrainingError: If a training comes to nothing, or the folder holds another one.
        EditError: If what was computed is not finite.
    """
    with enough_threads(pipeline):
        return _ablated(
            pipeline,
            concept,
            settings or AblationSettings(),
            base_sha256 or fingerprint(pipeline),
            folder,
            is_copy,
            vocabulary,
            text_vectors,
            on_step,
        )


def _ablated(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: AblationSettings,
    base_sha256: str,
    folder: Path | None,
    is_copy: IsCopy | None,
    vocabulary: Sequence[str] | None,
    text_vectors: TextVectors | None,
    on_step: OnStep | None,
) -> ConceptEdit:
    if not concept.preserve and (vocabulary or concept.kind == "object"):
        surrounding = neighbours(pipeline, concept, settings.neighbours, vocabulary, text_vectors)
        concept = concept.model_copy(update={"preserve": surrounding})
    check_distinct(pipeline, concept)
    task = AblationTask(pipeline, concept, settings, base_sha256, folder, is_copy, on_step)
    edit = _finite(ConceptEdit((method_of(settings.method).remove_concept(task),), base_sha256, settings))
    return compressed(pipeline, edit)


def compose(
    edits: Sequence[ConceptEdit], pipeline: Pipeline | None = None, on_step: OnStep | None = None
) -> ConceptEdit:
    """One edit that removes everything the given ones remove; the order does not matter.

    Closed forms are solved jointly, which is exact. Text encoders are distilled for all concepts together, from the
    start: that takes some seconds, and is seeded. Fine-tuned deltas are added up, which is not exact. Evaluate what is
    not exact.

    Args:
        edits: Made for one model, with the same settings.
        pipeline: That model, unedited; needed where several edits have a distilled text encoder.
        on_step: Called with the steps done and the loss while distilling.

    Raises:
        EditError: If there is none, they were made for different models or with different settings, they remove
            different concepts of the same name, one was distilled for several concepts, a model is needed, or what
            comes out is not finite.
        TrainingError: If the distillation comes to nothing.
    """
    edit = merged(edits)
    with nullcontext() if pipeline is None else enough_threads(pipeline):
        edit = _finite(method_of(edit.settings.method).compose(edit, pipeline, on_step))
        return edit if pipeline is None else compressed(pipeline, edit)


def _finite(edit: ConceptEdit) -> ConceptEdit:
    """The edit itself.

    Raises:
        EditError: If a number in it is NaN or infinite, before anybody stores it.
    """
    for name in edit.not_finite():
        raise EditError(
            f"the edit of {', '.join(concept.name for concept in edit.concepts)} is not finite ({name}); open the "
            f"model in bfloat16 or float32, or take another method"
        )
    return edit
