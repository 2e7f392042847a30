"""A concept edit, which is what an ablation produces, and its file.

The file is safetensors, with everything but the tensors as JSON in its header.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from twig_assets.ablation.edits import applying, closed_form_solution
from twig_assets.ablation.edits.lora import export_lora
from twig_assets.ablation.edits.parameters import editable_parameters, pooled_entry_weights, text_entry_weights
from twig_assets.ablation.edits.stored_delta import Halved, LowRank, StoredDelta
from twig_assets.ablation.errors import EditError
from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget
from twig_assets.settings.loras import LoraForm

_METADATA = "concept_edit"
_VERSION = 5
# What is written where nothing is compressed, and where no pooled embeddings are edited either: those files have the
# same bytes as ever.
_VERSION_OF_POOLED = 4
_VERSION_OF_TOKENS = 3
_PAIRS = ("target", "anchor", "preserve")

# Settings of earlier versions that do not bear on the edit itself, and one that version 1 did not have.
_GONE = ("samples", "max_target_share", "distillation")
_SINCE = {"overshoot": 0.0}


@dataclass(frozen=True)
class EditPart:
    """The removal of one concept.

    Attributes:
        concept: What is removed.
        pairs: Token statistics, if a closed form is part of the edit.
        deltas: Parameter name (component, dot, its own name) -> what training added to it, in the parameter's shape.
    """

    concept: ConceptTarget
    pairs: TokenPairs | None = None
    deltas: Mapping[str, StoredDelta] = field(default_factory=dict)


@dataclass(frozen=True)
class ConceptEdit:
    """The removal of one or several concepts from one base model.

    Attributes:
        parts: One for each concept.
        base_sha256: Fingerprint of the model the edit was made for.
        settings: How it was computed.
        evaluation: Figures of the edit as JSON values, if it was evaluated.
        joint: What training for several of the parts together added, as the parts' own `deltas`.
        compression: What keeping the deltas in another form than whole cost and saved; None where they are whole.
    """

    parts: tuple[EditPart, ...]
    base_sha256: str
    settings: AblationSettings
    evaluation: Mapping[str, Any] | None = None
    joint: Mapping[str, StoredDelta] = field(default_factory=dict)
    compression: Mapping[str, float] | None = None

    @property
    def concepts(self) -> tuple[ConceptTarget, ...]:
        """What is removed."""
        return tuple(part.concept for part in self.parts)

    @property
    def statistics(self) -> list[TokenPairs]:
        """The token statistics of all parts; no part preserves what another one removes."""
        removed = {c.name: (c.target, *c.aliases) for c in self.concepts}
        return [
            closed_form_solution.without(
                part.pairs, [w for name, words in removed.items() if name != part.concept.name for w in words]
            )
            for part in self.parts
            if part.pairs
        ]

    def correction(self) -> torch.Tensor | None:
        """The closed form's matrix D, float64 (d, d): each key and value projection W becomes W + W D.

        None if no closed form is part of the edit.
        """
        pairs = self.statistics
        return closed_form_solution.solve(pairs, self.settings) if pairs else None

    def pooled_correction(self) -> torch.Tensor | None:
        """The same for the pooled embedding, float64 (e, e); None if none is edited."""
        pairs = [part.pooled for part in self.statistics if part.pooled]
        return closed_form_solution.solve(pairs, self.settings) if pairs else None

    def deltas(self, pipeline: Pipeline) -> dict[str, torch.Tensor]:
        """What the edit adds to each parameter of an unedited pipeline, on the CPU, by parameter name.

        It is float64; of what is compressed float32.

        Raises:
            EditError: If the pipeline lacks a parameter, or has it in another shape.
        """
        return dict(self.each_delta(pipeline))

    def each_delta(self, pipeline: Pipeline) -> Iterator[tuple[str, torch.Tensor]]:
        """The same one by one: all those of Stable Diffusion XL together take 2.5 GB.

        A parameter is read when its delta is asked for, and may be changed after that.
        """
        stored: dict[str, list[StoredDelta]] = {}
        for deltas in (self.joint, *(part.deltas for part in self.parts)):
            for name, delta in deltas.items():
                stored.setdefault(name, []).append(delta)
        self._check_shapes(pipeline, stored)
        solved = dict(self._solved(pipeline))
        for name in dict.fromkeys([*solved, *stored]):
            total = solved[name]() if name in solved else None
            for delta in stored.get(name, []):
                # Twice as wide for whole ones only: what is compressed is so because it is large.
                added = delta.double() if isinstance(delta, torch.Tensor) else delta.dense()
                total = added if total is None else total.double() + added
            assert total is not None
            yield name, total

    def _solved(self, pipeline: Pipeline) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
        """What the closed form adds to each layer, computed when it is asked for."""
        correction, pooled = self.correction(), self.pooled_correction()
        if correction is not None:
            for name, weight in text_entry_weights(pipeline).items():
                yield name, partial(_times, weight, correction)
        if pooled is not None:
            for name, weight in pooled_entry_weights(pipeline).items():
                yield name, partial(_times, weight, pooled)

    @staticmethod
    def _check_shapes(pipeline: Pipeline, stored: Mapping[str, Sequence[StoredDelta]]) -> None:
        parameters = editable_parameters(pipeline)
        for name, deltas in stored.items():
            for delta in deltas:
                if name not in parameters or parameters[name].shape != delta.shape:
                    raise EditError(
                        f"the edit changes {name} of shape {tuple(delta.shape)}, which the model does not have; ablate "
                        f"again with this model"
                    )

    def not_finite(self) -> list[str]:
        """The names of the edit's tensors, as in its file, that hold NaN or infinity; none in an edit of any use."""
        return [name for name, tensor in self._tensors().items() if not torch.isfinite(tensor).all()]

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for i, part in enumerate(self.parts):
            if part.pairs:
                tensors |= {f"{i}.{key}": _narrow(getattr(part.pairs, key)) for key in _PAIRS}
            if part.pairs and part.pairs.pooled:
                tensors |= {f"{i}.pooled.{key}": _narrow(getattr(part.pairs.pooled, key)) for key in _PAIRS}
            tensors |= _written(f"{i}.", f"{i}.delta.", part.deltas)
        return tensors | _written("joint-", "joint.", self.joint)

    @property
    def is_compressed(self) -> bool:
        """Whether a delta is kept in another form than whole."""
        everywhere = [self.joint, *(part.deltas for part in self.parts)]
        return any(not isinstance(delta, torch.Tensor) for deltas in everywhere for delta in deltas.values())

    def _exponents(self) -> dict[str, int]:
        """The exponent of every tensor that is in half precision, by its name in the file."""
        places = [(f"{i}.", part.deltas) for i, part in enumerate(self.parts)] + [("joint-", self.joint)]
        return {
            f"{place}halved.{name}": delta.exponent
            for place, deltas in places
            for name, delta in deltas.items()
            if isinstance(delta, Halved)
        }

    def _version(self) -> int:
        if self.is_compressed:
            return _VERSION
        return _VERSION_OF_POOLED if any(pairs.pooled for pairs in self.statistics) else _VERSION_OF_TOKENS

    def to_bytes(self) -> bytes:
        """The content of the edit's file; the same edit gives the same bytes."""
        tensors = self._tensors()
        compressed = {"compression": self.compression, "exponents": self._exponents()} if self.is_compressed else {}
        header = {
            "version": self._version(),
            "concepts": [concept.model_dump(mode="json") for concept in self.concepts],
            "preserved": [part.pairs.preserved if part.pairs else [] for part in self.parts],
            "base_sha256": self.base_sha256,
            "method": self.settings.method,
            "settings": self.settings.model_dump(mode="json"),
            "evaluation": self.evaluation,
            **compressed,
        }
        # One key only: safetensors writes several in an order that changes from call to call.
        metadata = {_METADATA: json.dumps(header, sort_keys=True)}
        # Clones, since parts may share a tensor and safetensors stores none twice.
        return save({key: value.contiguous().clone() for key, value in tensors.items()}, metadata=metadata)

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
        """Read an edit from the content of its file; files of earlier versions (1 names none) are read too.

        Raises:
            EditError: If it is damaged, not a concept edit or of a later version.
        """
        try:
            tensors = load(content)
            safetensors_header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            header = json.loads(safetensors_header["__metadata__"][_METADATA])
            settings = _settings(header)
            concepts = [ConceptTarget(**concept) for concept in header["concepts"]]
            exponents = header.get("exponents", {})
            joint = _read("joint-", "joint.", tensors, exponents)
            preserved = header.get("preserved", [[] for _ in concepts])
            parts = tuple(_part(i, concept, tensors, preserved[i], exponents) for i, concept in enumerate(concepts))
            empty = [part.concept.name for part in parts if part.pairs is None and not part.deltas and not joint]
            if empty:
                raise EditError(f"nothing is stored for concept {empty[0]!r}")
        except Exception as error:  # safetensors raises its own type, json and pydantic theirs
            raise EditError(f"this is not a concept edit that can be read ({error}); ablate again") from error
        compression = header.get("compression")
        return cls(parts, header["base_sha256"], settings, header.get("evaluation"), joint, compression)

    def apply(self, pipeline: Pipeline, base_sha256: str | None = None) -> None:
        """Edit the pipeline in place; see `applying.apply`."""
        applying.apply(pipeline, self, base_sha256)

    def remove(self, pipeline: Pipeline) -> None:
        """Undo this edit; the weights are again what they were, to the bit.

        Raises:
            EditError: If another edit is applied to the pipeline, or none.
        """
        if applying.applied_edit(pipeline) is not self:
            raise EditError("the pipeline does not have this edit, so it cannot be removed from it")
        applying.remove(pipeline)

    def factors(self) -> dict[str, LowRank]:
        """What the edit adds to parameters that one low-rank change alone is of, by parameter name."""
        if any(part.pairs for part in self.parts):
            return {}
        deltas = [*self.joint.items(), *(item for part in self.parts for item in part.deltas.items())]
        counted = Counter(name for name, _ in deltas)
        return {name: delta for name, delta in deltas if isinstance(delta, LowRank) and counted[name] == 1}

    def export_lora(self, path: Path, pipeline: Pipeline, form: LoraForm = "diffusers") -> None:
        """Write the edit as a LoRA, for `pipeline.load_lora_weights` or another program; see `lora.export_lora`."""
        export_lora(self, path, pipeline, form, self.factors())


def _times(weight: torch.Tensor, correction: torch.Tensor) -> torch.Tensor:
    """W D, float64 (o, i), for a correction (d, d) of the first d of a weight's i columns; 0 in the others."""
    width = len(correction)
    read, others = weight.detach().double().cpu().split([width, weight.shape[1] - width], dim=1)
    return torch.cat([read @ correction, torch.zeros_like(others)], dim=1)


def _settings(header: dict[str, Any]) -> AblationSettings:
    version = header.get("version", 1)
    if version > _VERSION:
        raise EditError(f"its format is version {version} and this program reads up to {_VERSION}")
    gone = _GONE if version < _VERSION_OF_TOKENS else ()
    kept = {key: value for key, value in header["settings"].items() if key not in gone}
    return AblationSettings(**(_SINCE | kept if version == 1 else kept))


def _part(
    i: int,
    concept: ConceptTarget,
    tensors: dict[str, torch.Tensor],
    preserved: list[Any],
    exponents: Mapping[str, int],
) -> EditPart:
    if f"{i}.basis" in tensors:
        raise EditError(f"{concept.name!r} was distilled by an earlier version, in a way that is no longer read")
    pairs = None
    if f"{i}.target" in tensors:
        pooled = None
        if f"{i}.pooled.target" in tensors:
            target, anchor, preserve = (tensors[f"{i}.pooled.{key}"].double() for key in _PAIRS)
            pooled = TokenPairs(target, anchor, preserve, tuple((prompt, 1) for prompt, _ in preserved))
        target, anchor, preserve = (tensors[f"{i}.{key}"].double() for key in _PAIRS)
        prompts = tuple((prompt, int(count)) for prompt, count in preserved)
        pairs = TokenPairs(target, anchor, preserve, prompts, pooled)
    return EditPart(concept, pairs, _read(f"{i}.", f"{i}.delta.", tensors, exponents))


def _written(place: str, whole: str, deltas: Mapping[str, StoredDelta]) -> dict[str, torch.Tensor]:
    """The tensors of deltas, by their names in the file: whole ones begin with `whole`, others with `place`."""
    tensors: dict[str, torch.Tensor] = {}
    for name, delta in deltas.items():
        if isinstance(delta, LowRank):
            tensors |= {f"{place}up.{name}": delta.up, f"{place}down.{name}": delta.down}
        elif isinstance(delta, Halved):
            tensors[f"{place}halved.{name}"] = delta.values
        else:
            tensors[f"{whole}{name}"] = delta
    return tensors


def _read(
    place: str, whole: str, tensors: dict[str, torch.Tensor], exponents: Mapping[str, int]
) -> dict[str, StoredDelta]:
    """The reverse of `_written`."""
    deltas: dict[str, StoredDelta] = dict(_below(tensors, whole))
    downs = _below(tensors, f"{place}down.")
    deltas |= {name: LowRank(up, downs[name]) for name, up in _below(tensors, f"{place}up.").items()}
    for name, values in _below(tensors, f"{place}halved.").items():
        deltas[name] = Halved(values, exponents[f"{place}halved.{name}"])
    return deltas


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    """Half the bytes where nothing is lost, as with embeddings that a float32 text encoder made."""
    return tensor.float() if torch.equal(tensor.float().double(), tensor.double()) else tensor
