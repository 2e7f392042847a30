"""Keeping a large edit in a small file, as far as the denoiser does not notice.

What is measured is what the denoiser reads: the squared difference that a smaller form makes to what enters it, in
units of what separates target and anchor, as in `fast`. For changes elsewhere in a denoiser there is no such measure
short of drawing, and they are kept in half precision, which is off by a two-thousandth at most.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.edits.stored_delta import LowRank, StoredDelta, dense, halved, low_rank, stored_bytes
from twig_assets.ablation.methods.conditioning_distance import ConditioningDistance
from twig_assets.ablation.methods.distillation_targets import distillation_targets
from twig_assets.ablation.prompts.retention_prompts import RetentionPrompts
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.ablation.training_state import seed_of
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.generation.family import is_text_encoder

_RANKS = (16, 32, 64, 128, 256)
# Prompts that are read: of each concept, and of everything else.
_OF_TARGETS, _OF_OTHERS = 8, 16
_MIB = 2**20


@torch.no_grad()
def compressed(pipeline: Pipeline, edit: ConceptEdit) -> ConceptEdit:
    """The edit itself where what it has whole is small, else one that does the same in a smaller file.

    Args:
        pipeline: The unedited model.
        edit: What was trained for it; `settings.storage` says from which size on, and what it may cost.
    """
    storage = edit.settings.storage
    trained = _trained(edit)
    size = sum(map(stored_bytes, trained.values()))
    if not trained or size < storage.whole_below * _MIB:
        return edit
    departure = _Departure(pipeline, edit, trained)
    factored = {
        name: low_rank(delta, _RANKS[-1], seed_of(edit.settings.seed, i))
        for i, (name, delta) in enumerate(sorted(trained.items()))
        if delta.ndim == 2 and departure.sees(name)
    }
    in_half = {name: halved(delta) if delta.element_size() > 2 else delta for name, delta in trained.items()}
    for rank in (*_RANKS, None):
        stored = {name: _smaller(in_half[name], factored.get(name), rank) for name in trained}
        error = departure.of(stored)
        if error <= storage.max_error:
            break
    record = {"error": error, "whole_bytes": size, "stored_bytes": sum(map(stored_bytes, stored.values()))}
    return replace(_with(edit, stored), compression=record)


def _smaller(in_half: StoredDelta, factors: LowRank | None, rank: int | None) -> StoredDelta:
    """A change at a rank, or in half precision where that takes less or no rank is given."""
    if factors is None or rank is None:
        return in_half
    truncated = factors.truncated(rank)
    return truncated if stored_bytes(truncated) < stored_bytes(in_half) else in_half


def _trained(edit: ConceptEdit) -> dict[str, torch.Tensor]:
    """All deltas of an edit, by their part and name; compressed ones are left as they are elsewhere."""
    places = {"joint": edit.joint} | {str(i): part.deltas for i, part in enumerate(edit.parts)}
    return {
        f"{place}/{name}": delta
        for place, deltas in places.items()
        for name, delta in deltas.items()
        if isinstance(delta, torch.Tensor)
    }


def _with(edit: ConceptEdit, stored: Mapping[str, StoredDelta]) -> ConceptEdit:
    def of(place: str, deltas: Mapping[str, StoredDelta]) -> dict[str, StoredDelta]:
        return {name: stored.get(f"{place}/{name}", delta) for name, delta in deltas.items()}

    parts = tuple(replace(part, deltas=of(str(i), part.deltas)) for i, part in enumerate(edit.parts))
    return replace(edit, parts=parts, joint=of("joint", edit.joint))


class _Departure:
    """How far what the denoiser reads departs when an edit's deltas are kept in another form.

    Args:
        pipeline: The unedited model.
        edit: The edit.
        trained: Its deltas as they were trained, as `_trained` names them.
    """

    def __init__(self, pipeline: Pipeline, edit: ConceptEdit, trained: Mapping[str, torch.Tensor]) -> None:
        self._family, self._trained = family_of(pipeline), trained
        settings, concepts = edit.settings, edit.concepts
        self._distance = ConditioningDistance(pipeline)
        self._entries = text_entry_weights(pipeline)
        pairs = [training_pairs(concept, settings)[:_OF_TARGETS] for concept in concepts]
        targets = [
            distillation_targets(pipeline, concept, settings, chosen)
            for concept, chosen in zip(concepts, pairs, strict=True)
        ]
        self._unit = torch.stack([target.apart(self._distance) for target in targets]).mean(0)
        others = RetentionPrompts(pipeline, concepts, settings).draw(_OF_OTHERS, np.random.default_rng(settings.seed))
        self._prompts = [prompt for target in targets for prompt in target.prompts]
        self._count = len(self._prompts)
        self._prompts += [kept.prompt for kept in others]
        encoders = self._family.text_encoders() if any(map(self._in_encoder, trained)) else {}
        self._copies = {name: copy.deepcopy(encoder).float() for name, encoder in encoders.items()}
        self._reference = self._read(trained)

    @staticmethod
    def _parameter(name: str) -> str:
        return name.partition("/")[2]

    def _in_encoder(self, name: str) -> bool:
        return is_text_encoder(self._parameter(name).partition(".")[0])

    def sees(self, name: str) -> bool:
        """Whether a change is of a text encoder or of where text enters the denoiser."""
        return self._in_encoder(name) or self._parameter(name) in self._entries

    def of(self, stored: Mapping[str, StoredDelta]) -> float:
        """The mean squared difference to what is read with the trained deltas, of target prompts or of others."""
        errors = self._distance.between(self._read(stored), self._reference) / self._unit
        errors[:, 0] += self._entering(stored) / self._unit[0]
        return max(float(part.mean(0).max()) for part in (errors[: self._count], errors[self._count :]))

    @torch.no_grad()
    def _read(self, deltas: Mapping[str, StoredDelta]) -> Conditioning:
        """What the prompts are read as when deltas are added to the text encoders."""
        for component, encoder in self._family.text_encoders().items() if self._copies else ():
            self._copies[component].load_state_dict(encoder.state_dict())
        for name in filter(self._in_encoder, deltas):  # a parameter may be in several parts
            component, _, inside = self._parameter(name).partition(".")
            parameter = self._copies[component].get_parameter(inside)
            parameter.add_(dense(deltas[name]).to(parameter.device, torch.float32))
        with self._family.replaced(self._copies):
            return self._family.encode(self._prompts)

    @torch.no_grad()
    def _entering(self, stored: Mapping[str, StoredDelta]) -> torch.Tensor:
        """The same of the layers that text enters by, (n,), averaged over tokens and all those layers."""
        inputs = self._family.entry_inputs(self._reference).float().cpu()
        errors = torch.zeros(len(inputs))
        for name in stored:
            if self._parameter(name) in self._entries:
                missing = dense(stored[name]).float() - self._trained[name].float()
                errors += (inputs @ missing.T).pow(2).sum(-1).mean(-1) / len(self._entries)
        return errors.to(self._unit.device)
