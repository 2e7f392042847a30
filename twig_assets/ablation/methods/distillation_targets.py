"""What a text encoder is to read a target's prompts as once the target is removed: the anchor's.

Both are text conditions (`conditions`) of the unedited encoder.
"""

from dataclasses import dataclass

import numpy as np
import torch

from twig_assets.ablation.methods.retention_prompts import vocabulary
from twig_assets.ablation.prompts.token_pairs import first_token, last_token
from twig_assets.ablation.prompts.training_pairs import TrainingPair, training_pairs
from twig_assets.ablation.prompts.variants import frame, framings
from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import Conditions, conditions
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

# A style has to go whatever is drawn in it; a handful of subjects teach an encoder those subjects.
_STYLED = 384


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
    the concept. What comes before the target stays as it is. An object's anchor is a broader kind, some of whose own
    images show the target; so its reading is sent `emphasis` times its difference from the empty prompt's further.
    """
    pairs = [*training_pairs(concept, settings), *_styled(pipeline, concept, settings)]
    own = conditions(pipeline, [pair.prompt for pair in pairs])
    other = conditions(pipeline, [pair.counterpart for pair in pairs])
    nothing = conditions(pipeline, [""])
    emphasis = settings.emphasis if concept.kind == "object" else 0.0
    aligned, blank = (
        torch.stack(rows)
        for rows in zip(
            *(
                _aligned(pipeline, pair, own.embeddings[i], other.embeddings[i], nothing.embeddings[0])
                for i, pair in enumerate(pairs)
            ),
            strict=True,
        )
    )

    def beyond(read: torch.Tensor, anchor: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return anchor + settings.overshoot * (anchor - read) + emphasis * (anchor - empty)

    wanted = Conditions(
        beyond(own.embeddings, aligned, blank),
        {key: beyond(value, other.added[key], nothing.added[key]) for key, value in own.added.items()},
    )
    return Readings(tuple(pair.prompt for pair in pairs), own, wanted)


def _aligned(
    pipeline: Pipeline, pair: TrainingPair, own: torch.Tensor, other: torch.Tensor, nothing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The anchor's tokens and the empty prompt's in place of the target's; before the target both are its own."""
    start, end = (place(pipeline, pair.prompt, pair.word) for place in (first_token, last_token))
    first, last = (place(pipeline, pair.counterpart, pair.anchor) for place in (first_token, last_token))
    source = (torch.arange(start, len(own), device=own.device) + last - end).clamp(first, len(other) - 1)
    return torch.cat([own[:start], other[source]]), torch.cat([own[:start], nothing[start:]])


def _styled(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> list[TrainingPair]:
    """For a style, prompts that draw other words in it, without those that the edit is judged on."""
    if concept.kind != "style":
        return []
    judged = {word for subject in concept.subjects for word in subject.lower().split()}
    words = [word for word in vocabulary(pipeline, [concept]) if word not in judged]
    shapes = [framing for framing in framings("style") if "{s}" in framing]
    asked = (concept.target, *concept.aliases)
    rng = np.random.default_rng(settings.seed)
    pairs = []
    for i in range(_STYLED if words else 0):
        subject = " ".join(words[at] for at in rng.integers(len(words), size=1 + i % 2))
        word, shape = asked[i % len(asked)], shapes[i % len(shapes)]
        prompt, counterpart = frame(shape, word, subject), frame(shape, concept.anchor, subject)
        pairs.append(TrainingPair(prompt, counterpart, word, concept.anchor))
    return pairs
