"""One edit out of several."""

from collections.abc import Sequence

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.errors import EditError
from twig_assets.ablation.methods.distil import distil
from twig_assets.ablation.methods.tune import OnStep
from twig_assets.generation import Pipeline


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
            different concepts of the same name, one was distilled for several concepts, or a model is needed.
        TrainingError: If the distillation comes to nothing.
    """
    if not edits:
        raise EditError("no edit to compose; give at least one")
    if len({edit.base_sha256 for edit in edits}) > 1:
        raise EditError("the edits were made for different base models; ablate them all on one")
    if len({edit.settings for edit in edits}) > 1:
        raise EditError("the edits were made with different settings; ablate them all with one")
    if len(edits) > 1 and any(edit.joint for edit in edits):
        raise EditError("an edit of several concepts that were distilled together takes no others; compose single ones")
    parts: dict[str, EditPart] = {}
    for part in (part for edit in edits for part in edit.parts):
        other = parts.setdefault(part.concept.name, part)
        if other.concept != part.concept:
            raise EditError(f"two edits remove different concepts named {part.concept.name!r}; rename one")
    ordered = [parts[name] for name in sorted(parts)]
    together = [part.concept for part in ordered if distilled(part, edits[0])]
    if len(together) < 2:
        return ConceptEdit(tuple(ordered), edits[0].base_sha256, edits[0].settings, joint=edits[0].joint)
    if pipeline is None:
        raise EditError("edits made by the method fast are distilled together; give the unedited pipeline")
    joint = distil(pipeline, together, edits[0].settings, on_step)
    ordered = [EditPart(part.concept) if part.concept in together else part for part in ordered]
    return ConceptEdit(tuple(ordered), edits[0].base_sha256, edits[0].settings, joint=joint)


def distilled(part: EditPart, edit: ConceptEdit) -> bool:
    """Whether the part is a text encoder that `fast` distilled, and not a fine-tuning that took its place."""
    return edit.settings.method == "fast" and any(name.startswith("text_encoder") for name in part.deltas)
