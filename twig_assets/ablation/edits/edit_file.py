"""The file of a concept edit: safetensors, with everything but the tensors as JSON in its header."""

import json
from typing import Any

import torch
from safetensors.torch import load, save

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.errors import EditError
from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_METADATA = "concept_edit"
_VERSION = 3
_PAIRS = ("target", "anchor", "preserve")

# Settings of earlier versions that do not bear on the edit itself, and one that version 1 did not have.
_GONE = ("samples", "max_target_share", "distillation")
_SINCE = {"overshoot": 0.0}


def to_bytes(edit: ConceptEdit) -> bytes:
    """The content of the edit's file; the same edit gives the same bytes."""
    tensors: dict[str, torch.Tensor] = {}
    for i, part in enumerate(edit.parts):
        if part.pairs:
            tensors |= {f"{i}.{key}": _narrow(getattr(part.pairs, key)) for key in _PAIRS}
        tensors |= {f"{i}.delta.{name}": delta for name, delta in part.deltas.items()}
    tensors |= {f"joint.{name}": delta for name, delta in edit.joint.items()}
    described = {
        "version": _VERSION,
        "concepts": [concept.model_dump(mode="json") for concept in edit.concepts],
        "preserved": [part.pairs.preserved if part.pairs else [] for part in edit.parts],
        "base_sha256": edit.base_sha256,
        "method": edit.settings.method,
        "settings": edit.settings.model_dump(mode="json"),
        "evaluation": edit.evaluation,
    }
    # One key only: safetensors writes several in an order that changes from call to call.
    metadata = {_METADATA: json.dumps(described, sort_keys=True)}
    # Clones, since parts may share a tensor and safetensors stores none twice.
    return save({key: value.contiguous().clone() for key, value in tensors.items()}, metadata=metadata)


def from_bytes(content: bytes) -> ConceptEdit:
    """Read an edit from the content of its file; files of earlier versions (1 names none) are read too.

    Raises:
        EditError: If it is damaged, not a concept edit or of a later version.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        described = json.loads(header["__metadata__"][_METADATA])
        version = described.get("version", 1)
        if version > _VERSION:
            raise EditError(f"its format is version {version} and this program reads up to {_VERSION}")
        concepts = [ConceptTarget(**concept) for concept in described["concepts"]]
        gone = _GONE if version < _VERSION else ()
        kept = {key: value for key, value in described["settings"].items() if key not in gone}
        joint = _below(tensors, "joint.")
        settings = AblationSettings(**(_SINCE | kept if version == 1 else kept))
        preserved = described.get("preserved", [[] for _ in concepts])
        parts = tuple(_part(i, concept, tensors, preserved[i]) for i, concept in enumerate(concepts))
        empty = [part.concept.name for part in parts if part.pairs is None and not part.deltas and not joint]
        if empty:
            raise EditError(f"nothing is stored for concept {empty[0]!r}")
    except Exception as error:  # safetensors raises its own type, json and pydantic theirs
        raise EditError(f"this is not a concept edit that can be read ({error}); ablate again") from error
    return ConceptEdit(parts, described["base_sha256"], settings, described.get("evaluation"), joint)


def _part(i: int, concept: ConceptTarget, tensors: dict[str, torch.Tensor], preserved: list[Any]) -> EditPart:
    if f"{i}.basis" in tensors:
        raise EditError(f"{concept.name!r} was distilled by an earlier version, in a way that is no more")
    pairs = None
    if f"{i}.target" in tensors:
        target, anchor, preserve = (tensors[f"{i}.{key}"].double() for key in _PAIRS)
        pairs = TokenPairs(target, anchor, preserve, tuple((prompt, int(count)) for prompt, count in preserved))
    return EditPart(concept, pairs, _below(tensors, f"{i}.delta."))


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    """Half the bytes where nothing is lost, as with embeddings that a float32 text encoder made."""
    return tensor.float() if torch.equal(tensor.float().double(), tensor.double()) else tensor
