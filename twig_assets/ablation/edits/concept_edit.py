"""A concept edit: what an ablation produces, one safetensors file that can be applied, removed and composed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from twig_assets.ablation.errors import EditError
from twig_assets.ablation.methods import closed_form
from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


@dataclass(frozen=True)
class EditPart:
    """The removal of one concept.

    Attributes:
        concept: What is removed.
        pairs: Token statistics, if a closed form is part of the edit.
        deltas: Parameter name (`unet.…`, `text_encoder.…`) -> what training added to it, in the parameter's shape.
    """

    concept: ConceptTarget
    pairs: TokenPairs | None = None
    deltas: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ConceptEdit:
    """The removal of one or several concepts from one base model.

    Attributes:
        parts: One for each concept.
        base_sha256: Fingerprint of the model the edit was made for.
        settings: How it was computed.
        evaluation: Figures of the edit as JSON values, if it was evaluated.
        joint: What training for several of the parts together added, as the parts' own `deltas`.
    """

    parts: tuple[EditPart, ...]
    base_sha256: str
    settings: AblationSettings
    evaluation: Mapping[str, Any] | None = None
    joint: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def concepts(self) -> tuple[ConceptTarget, ...]:
        """What is removed."""
        return tuple(part.concept for part in self.parts)

    def correction(self) -> torch.Tensor | None:
        """The matrix D, float64 (d, d), that the closed form turns each key and value projection W into W + W D by."""
        pairs = self._statistics()
        return closed_form.solve(pairs, self.settings) if pairs else None

    def deltas(self, pipeline: Pipeline) -> dict[str, torch.Tensor]:
        """What the edit adds to each parameter of an unedited pipeline: float64, on the CPU, by parameter name.

        Raises:
            EditError: If the pipeline lacks a parameter, or has it in another shape.
        """
        total: dict[str, torch.Tensor] = {}

        def add(name: str, delta: torch.Tensor) -> None:
            total[name] = total[name] + delta if name in total else delta

        pairs = self._statistics()
        if pairs:
            shared = closed_form.solve(pairs, self.settings)
            for name, weight in cross_attention_weights(pipeline).items():
                add(name, weight.detach().double().cpu() @ shared)
        for deltas in (self.joint, *(part.deltas for part in self.parts)):
            for name, delta in deltas.items():
                add(name, delta.double())
        known = editable_parameters(pipeline)
        for name, delta in total.items():
            if name not in known or known[name].shape != delta.shape:
                raise EditError(f"the edit changes {name} {tuple(delta.shape)}, which the model has not; ablate again")
        return total

    def to_bytes(self) -> bytes:
        """The edit as the content of a safetensors file; the same edit gives the same bytes."""
        from twig_assets.ablation.edits.edit_file import to_bytes

        return to_bytes(self)

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
        from twig_assets.ablation.edits.edit_file import from_bytes

        return from_bytes(content)

    def apply(self, pipeline: Pipeline, base_sha256: str | None = None) -> None:
        """Edit the pipeline in place; see `applying.apply`."""
        from twig_assets.ablation.edits.applying import apply

        apply(pipeline, self, base_sha256)

    def remove(self, pipeline: Pipeline) -> None:
        """Undo this edit; the weights are again what they were, to the bit.

        Raises:
            EditError: If another edit is applied to the pipeline, or none.
        """
        from twig_assets.ablation.edits.applying import applied, remove

        if applied(pipeline) is not self:
            raise EditError("the pipeline does not have this edit, so it cannot be removed from it")
        remove(pipeline)

    def export_lora(self, path: Path, pipeline: Pipeline) -> None:
        """Write the edit as a LoRA for `pipeline.load_lora_weights`; see `lora.export_lora`."""
        from twig_assets.ablation.edits.lora import export_lora

        export_lora(self, path, pipeline)

    def _statistics(self) -> list[TokenPairs]:
        """The token statistics of all parts; no part keeps what another one removes."""
        removed = {c.name: (c.target, *c.aliases) for c in self.concepts}
        return [
            closed_form.without(
                part.pairs, [w for name, words in removed.items() if name != part.concept.name for w in words]
            )
            for part in self.parts
            if part.pairs
        ]


def cross_attention_weights(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The key and value projections of all cross-attention layers, by name."""
    return {
        f"unet.{name}": parameter
        for name, parameter in pipeline.unet.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }


def editable_parameters(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The parameters of the UNet and the text encoders, by name with the component in front."""
    return {
        f"{component}.{name}": parameter
        for component in ("unet", "text_encoder", "text_encoder_2")
        if getattr(pipeline, component, None) is not None
        for name, parameter in getattr(pipeline, component).named_parameters()
    }
