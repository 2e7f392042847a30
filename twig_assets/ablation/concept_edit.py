"""A concept edit: what an ablation produces, one safetensors file that can be applied, removed and composed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from safetensors.torch import load, save

from twig_assets.ablation.closed_form import solve
from twig_assets.ablation.token_pairs import TokenPairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_METADATA = "concept_edit"


class EditError(ValueError):
    """An edit that cannot be read, or does not belong to the model it is applied to."""


@dataclass(frozen=True)
class ConceptEdit:
    """The removal of one or several concepts from one base model.

    Attributes:
        concepts: What is removed.
        base_sha256: Fingerprint of the model the edit was made for.
        settings: How it was computed.
        pairs: Token statistics, one for each concept; edits compose by solving them together.
    """

    concepts: tuple[ConceptTarget, ...]
    base_sha256: str
    settings: AblationSettings
    pairs: tuple[TokenPairs, ...]

    def correction(self) -> torch.Tensor:
        """The matrix D, float64 (d, d), by which every key and value projection W becomes W + W D."""
        return solve(self.pairs, self.settings)

    def to_bytes(self) -> bytes:
        """The edit as the content of a safetensors file; the same edit gives the same bytes."""
        tensors: dict[str, torch.Tensor] = {}
        for i, pair in enumerate(self.pairs):
            tensors |= {f"{i}.target": pair.target, f"{i}.anchor": pair.anchor, f"{i}.preserve": pair.preserve}
        described = {
            "concepts": [concept.model_dump(mode="json") for concept in self.concepts],
            "base_sha256": self.base_sha256,
            "settings": self.settings.model_dump(mode="json"),
        }
        # One key only: safetensors writes several in an order that changes from call to call.
        metadata = {_METADATA: json.dumps(described, sort_keys=True)}
        return save({key: value.contiguous() for key, value in tensors.items()}, metadata=metadata)

    def save(self, path: Path) -> None:
        """Write the edit to a safetensors file."""
        path.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "ConceptEdit":
        """Read an edit that `save` wrote.

        Raises:
            EditError: If the file is missing, damaged or not a concept edit.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise EditError(f"{path} cannot be read: {error.strerror}") from error
        try:
            return cls.from_bytes(content)
        except EditError as error:
            raise EditError(f"{path}: {error}") from error

    @classmethod
    def from_bytes(cls, content: bytes) -> "ConceptEdit":
        """Read an edit from the content of its file.

        Raises:
            EditError: If it is damaged or not a concept edit.
        """
        try:
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            described = json.loads(header["__metadata__"][_METADATA])
            concepts = tuple(ConceptTarget(**c) for c in described["concepts"])
            settings = AblationSettings(**described["settings"])
            pairs = tuple(
                TokenPairs(*(tensors[f"{i}.{key}"] for key in ("target", "anchor", "preserve")))
                for i in range(len(concepts))
            )
        except Exception as error:  # safetensors raises its own type, json and pydantic theirs
            raise EditError(f"this is not a concept edit that can be read ({error}); ablate again") from error
        return cls(concepts, described["base_sha256"], settings, pairs)


def compose(edits: Sequence[ConceptEdit]) -> ConceptEdit:
    """One edit that removes everything the given ones remove, solved jointly; the order does not matter.

    Raises:
        EditError: If there is none, or they were made for different models or with different settings.
    """
    if not edits:
        raise EditError("no edit to compose; give at least one")
    if len({edit.base_sha256 for edit in edits}) > 1:
        raise EditError("the edits were made for different base models; ablate them all on one")
    if len({edit.settings for edit in edits}) > 1:
        raise EditError("the edits were made with different settings; ablate them all with one")
    pairs = {
        concept.name: (concept, pair) for edit in edits for concept, pair in zip(edit.concepts, edit.pairs, strict=True)
    }
    ordered = [pairs[name] for name in sorted(pairs)]
    return ConceptEdit(
        tuple(c for c, _ in ordered), edits[0].base_sha256, edits[0].settings, tuple(p for _, p in ordered)
    )


_ORIGINALS: WeakKeyDictionary[torch.nn.Module, dict[str, torch.Tensor]] = WeakKeyDictionary()


@torch.no_grad()
def apply(pipeline: Pipeline, edit: ConceptEdit, base_sha256: str) -> None:
    """Edit the pipeline's cross-attention in place.

    Args:
        pipeline: An unedited pipeline.
        edit: What to remove.
        base_sha256: `fingerprint(pipeline)`; asked for because computing it reads all weights.

    Raises:
        EditError: If the edit belongs to another model, or the pipeline is edited already.
    """
    if edit.base_sha256 != base_sha256:
        raise EditError(
            f"the edit was made for model {edit.base_sha256[:12]}, not for {base_sha256[:12]}; ablate again"
        )
    if pipeline.unet in _ORIGINALS:
        raise EditError("the pipeline is edited already; remove that edit first, or compose the two")
    correction = edit.correction()
    originals = {}
    for name, weight in cross_attention_weights(pipeline).items():
        originals[name] = weight.detach().clone()
        weight.add_((weight.double().cpu() @ correction).to(weight))
    _ORIGINALS[pipeline.unet] = originals


@torch.no_grad()
def remove(pipeline: Pipeline) -> None:
    """Undo the edit: the weights are again what they were, to the bit. Nothing happens to an unedited pipeline."""
    originals = _ORIGINALS.pop(pipeline.unet, {})
    for name, weight in cross_attention_weights(pipeline).items():
        if name in originals:
            weight.copy_(originals[name])


def cross_attention_weights(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The key and value projections of all cross-attention layers, by name."""
    return {
        name: parameter
        for name, parameter in pipeline.unet.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
