"""Computing the edit that removes a concept."""

from collections.abc import Sequence
from pathlib import Path

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.methods.adversarial import harden
from twig_assets.ablation.methods.anchor_images import IsCopy
from twig_assets.ablation.methods.distil import distil
from twig_assets.ablation.methods.escalate import escalated
from twig_assets.ablation.methods.tune import OnStep, tune
from twig_assets.ablation.prompts.neighbours import neighbours
from twig_assets.ablation.prompts.token_pairs import check_distinct, token_pairs
from twig_assets.generation import Pipeline, fingerprint
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
        on_step: Called with the steps done and the loss while distilling or fine-tuning; of a fine-tuning that goes on,
            first with the steps that were done before.

    Raises:
        IndistinctConceptError: If the text encoder reads target and anchor, or a preserved concept, alike.
        AnchorError: If captions or images of the anchor are of no use.
        TrainingError: If a training comes to nothing, or the folder holds another one.
    """
    settings = settings or AblationSettings()
    base_sha256 = base_sha256 or fingerprint(pipeline)
    if not concept.preserve and (vocabulary or concept.kind == "object"):
        found = neighbours(pipeline, concept, settings.neighbours, vocabulary)
        concept = concept.model_copy(update={"preserve": found})
    check_distinct(pipeline, concept)
    if settings.method in ("model_based", "noise_based"):
        part = EditPart(concept, deltas=tune(pipeline, concept, settings, folder, is_copy, on_step, base_sha256))
        return ConceptEdit((part,), base_sha256, settings)
    if settings.method == "closed_form":
        pairs = harden(pipeline, token_pairs(pipeline, concept, settings), settings)
        return ConceptEdit((EditPart(concept, pairs),), base_sha256, settings)
    part = EditPart(concept, deltas=distil(pipeline, [concept], settings, on_step))
    edit = ConceptEdit((part,), base_sha256, settings)
    return escalated(pipeline, edit, is_copy, folder, on_step) if is_copy and concept.kind == "memorized" else edit
