"""What a text encoder is to read a target's prompts as once the target is removed: the anchor's.

Both are text conditions (`conditions`) of the unedited encoder.
"""

from dataclasses import dataclass

import torch

from twig_assets.ablation.conditions import Conditions, conditions
from twig_assets.ablation.token_pairs import first_token, last_token
from twig_assets.ablation.training_pairs import TrainingPair, training_pairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


@dataclass(frozen=True)
class Readings:
    """What a concept's prompts are to be read as.

    Attributes:
        prompts: n prompts that ask for the target.
        own: How the unedited encoder reads them.
        wanted: How the edited one is to.
    """

    prompts: tuple[str, ...]
    own: Conditions
    wanted: Conditions


@torch.no_grad()
def readings(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> Readings:
    """Every prompt that asks for the target, and what it is to be read as.

    From the first token of the target on, each token is to be read as the one at the same distance from the end of the
    anchor's words in the anchor's prompt, and sent `overshoot` times the difference beyond it. Unlike the closed form
    (`token_pairs`) this includes the target's own words before the last: a causal encoder that still reads them has
    the concept. What comes before the target stays as it is.
    """
    pairs = training_pairs(concept, settings)
    own = conditions(pipeline, [pair.prompt for pair in pairs])
    other = conditions(pipeline, [pair.counterpart for pair in pairs])
    aligned = torch.stack([
        _aligned(pipeline, pair, own.embeddings[i], other.embeddings[i]) for i, pair in enumerate(pairs)
    ])  # fmt: skip
    wanted = Conditions(
        _beyond(own.embeddings, aligned, settings.overshoot),
        {key: _beyond(value, other.added[key], settings.overshoot) for key, value in own.added.items()},
    )
    return Readings(tuple(pair.prompt for pair in pairs), own, wanted)


def _aligned(pipeline: Pipeline, pair: TrainingPair, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    start, end = (place(pipeline, pair.prompt, pair.word) for place in (first_token, last_token))
    first, last = (place(pipeline, pair.counterpart, pair.anchor) for place in (first_token, last_token))
    source = (torch.arange(start, len(own), device=own.device) + last - end).clamp(first, len(other) - 1)
    return torch.cat([own[:start], other[source]])


def _beyond(own: torch.Tensor, other: torch.Tensor, overshoot: float) -> torch.Tensor:
    return other + overshoot * (other - own)
