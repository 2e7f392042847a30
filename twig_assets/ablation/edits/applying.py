"""Adding an edit to a pipeline's weights and taking it out again, to the bit.

This module alone knows which edit a pipeline carries.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from twig_assets.ablation.edits.parameters import editable_parameters
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Pipeline, family_of, fingerprint
from twig_assets.generation.threads import enough_threads


class WeightEdit(Protocol):
    """What can be applied; `ConceptEdit` is one."""

    @property
    def base_sha256(self) -> str:
        """Fingerprint of the model that the edit was made for."""
        ...

    def deltas(self, pipeline: Pipeline) -> dict[str, torch.Tensor]:
        """Parameter name -> what the edit adds to it, in the parameter's shape."""
        ...

    def each_delta(self, pipeline: Pipeline) -> Iterable[tuple[str, torch.Tensor]]:
        """The same one by one, in which less memory is needed."""
        ...


@dataclass(frozen=True)
class _Applied:
    edit: WeightEdit
    sources: frozenset[str] | None
    originals: dict[str, torch.Tensor]


# The denoiser of an edited pipeline -> its edit, and the changed parameters as they were before.
_APPLIED: WeakKeyDictionary[torch.nn.Module, _Applied] = WeakKeyDictionary()


@torch.no_grad()
def apply(
    pipeline: Pipeline, edit: WeightEdit, base_sha256: str | None = None, *, sources: Collection[str] | None = None
) -> None:
    """Edit the pipeline in place.

    Args:
        pipeline: An unedited pipeline.
        edit: What to remove.
        base_sha256: `fingerprint(pipeline)` if it is known already; computing it reads all weights.
        sources: Hashes of the files that the edit was composed from, for `applied_sources`; None where not known.

    Raises:
        EditError: If the edit belongs to another model, the pipeline is edited already, or a weight would not be
            finite. The weights are then as they were.
    """
    denoiser = family_of(pipeline).denoiser
    if denoiser in _APPLIED:
        raise EditError("the pipeline is edited already; remove that edit first, or compose the two")
    base_sha256 = base_sha256 or fingerprint(pipeline)
    if edit.base_sha256 != base_sha256:
        raise EditError(
            f"the edit was made for model {edit.base_sha256[:12]}, not for {base_sha256[:12]}; ablate again"
        )
    parameters, originals = editable_parameters(pipeline), dict[str, torch.Tensor]()
    _APPLIED[denoiser] = _Applied(edit, None if sources is None else frozenset(sources), originals)
    try:
        with enough_threads(pipeline):
            for name, delta in edit.each_delta(pipeline):
                originals[name] = parameters[name].detach().clone()
                _add(parameters[name], name, delta)
    except BaseException:
        remove(pipeline)
        raise


def _add(parameter: torch.nn.Parameter, name: str, delta: torch.Tensor) -> None:
    # Added up before it is rounded: in half precision, a small change on its own is not what it is to the sum.
    edited = (parameter.float() + delta.to(parameter.device, torch.float32)).to(parameter.dtype)
    if not torch.isfinite(edited).all():
        raise EditError(
            f"with the edit, {name} is not finite in {_named(edited.dtype)}; ablate again with weaker settings, or "
            f"open the model in bfloat16 or float32"
        )
    parameter.copy_(edited)


@torch.no_grad()
def remove(pipeline: Pipeline) -> None:
    """Undo the edit: the weights are again what they were, to the bit. An unedited pipeline is left alone."""
    applied = _APPLIED.pop(family_of(pipeline).denoiser, None)
    if applied is None:
        return
    parameters = editable_parameters(pipeline)
    for name, original in applied.originals.items():
        parameters[name].copy_(original)


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def applied_edit(pipeline: Pipeline) -> WeightEdit | None:
    """The edit that the pipeline carries, if any."""
    applied = _APPLIED.get(family_of(pipeline).denoiser)
    return applied.edit if applied else None


def applied_sources(pipeline: Pipeline) -> frozenset[str] | None:
    """The `sources` that the pipeline's edit was applied with, perhaps None; empty for an unedited pipeline."""
    applied = _APPLIED.get(family_of(pipeline).denoiser)
    return applied.sources if applied else frozenset()
