"""Putting an edit into a pipeline's weights and taking it out again, to the bit."""

from weakref import WeakKeyDictionary

import torch

from twig_assets.ablation.edits.concept_edit import ConceptEdit, editable_parameters
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Pipeline, fingerprint

# UNet of an edited pipeline -> the edit, and the parameters as they were before.
_APPLIED: WeakKeyDictionary[torch.nn.Module, tuple[ConceptEdit, dict[str, torch.Tensor]]] = WeakKeyDictionary()


@torch.no_grad()
def apply(pipeline: Pipeline, edit: ConceptEdit, base_sha256: str | None = None) -> None:
    """Edit the pipeline in place.

    Args:
        pipeline: An unedited pipeline.
        edit: What to remove.
        base_sha256: `fingerprint(pipeline)` if it is known already; computing it reads all weights.

    Raises:
        EditError: If the edit belongs to another model, or the pipeline is edited already. The weights are then as
            they were.
    """
    if pipeline.unet in _APPLIED:
        raise EditError("the pipeline is edited already; remove that edit first, or compose the two")
    base_sha256 = base_sha256 or fingerprint(pipeline)
    if edit.base_sha256 != base_sha256:
        raise EditError(
            f"the edit was made for model {edit.base_sha256[:12]}, not for {base_sha256[:12]}; ablate again"
        )
    deltas = edit.deltas(pipeline)
    parameters = editable_parameters(pipeline)
    _APPLIED[pipeline.unet] = (edit, {name: parameters[name].detach().clone() for name in deltas})
    for name, delta in deltas.items():
        parameters[name].add_(delta.to(parameters[name]))


@torch.no_grad()
def remove(pipeline: Pipeline) -> None:
    """Undo the edit: the weights are again what they were, to the bit. Nothing happens to an unedited pipeline."""
    if pipeline.unet not in _APPLIED:
        return
    _, originals = _APPLIED.pop(pipeline.unet)
    parameters = editable_parameters(pipeline)
    for name, original in originals.items():
        parameters[name].copy_(original)


def applied(pipeline: Pipeline) -> ConceptEdit | None:
    """The edit that the pipeline has, if any."""
    edit, _ = _APPLIED.get(pipeline.unet, (None, None))
    return edit
