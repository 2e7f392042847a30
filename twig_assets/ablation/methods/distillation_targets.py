"""The conditioning that a target's prompts are distilled towards: that of the anchor's prompts.

All of it comes from the unedited text encoders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from twig_assets.ablation.prompts.retention_prompts import vocabulary
from twig_assets.ablation.prompts.training_pairs import TrainingPair, training_pairs
from twig_assets.ablation.prompts.variants import frame, framings
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

# Prompts in a style. It has to go whatever is drawn in it, and a handful of subjects teaches only those.
_STYLED = 384


@dataclass(frozen=True)
class DistillationTargets:
    """What a concept's prompts are distilled towards.

    Attributes:
        prompts: n prompts that ask for the target.
        unedited: Their conditioning by the unedited text encoders.
        wanted: Their conditioning by the edited ones.
    """

    prompts: tuple[str, ...]
    unedited: Conditioning
    wanted: Conditioning


@torch.no_grad()
def distillation_targets(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: AblationSettings,
    pairs: Sequence[TrainingPair] | None = None,
) -> DistillationTargets:
    """Every prompt that asks for the target, or those of some pairs alone, and the conditioning it shall have.

    From the first token of the target on, each token is sent to the one at the same distance from the end of the
    anchor's words in the anchor's prompt, and `overshoot` times the difference beyond it. Unlike the closed form
    (`token_pairs`) this includes the target's own words before the last: a causal encoder that still reads them has
    the concept. What comes before the target stays as it is. An object's anchor is a broader kind, some of whose own
    images show the target; so its tokens are sent further, by `emphasis` times their difference from the empty
    prompt's.
    """
    if pairs is None:
        pairs = [*training_pairs(concept, settings), *_styled(pipeline, concept, settings)]
    family = family_of(pipeline)
    own = family.encode([pair.prompt for pair in pairs])
    counterparts = family.encode([pair.counterpart for pair in pairs])
    empty_prompt = family.encode([""])
    emphasis = settings.emphasis if concept.kind == "object" else 0.0
    aligned, blank = (
        torch.stack(rows)
        for rows in zip(
            *(
                _aligned(pipeline, pair, own.tokens[i], counterparts.tokens[i], empty_prompt.tokens[0])
                for i, pair in enumerate(pairs)
            ),
            strict=True,
        )
    )

    def beyond(target: torch.Tensor, anchor: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return anchor + settings.overshoot * (anchor - target) + emphasis * (anchor - empty)

    wanted = Conditioning(
        beyond(own.tokens, aligned, blank),
        None
        if own.pooled is None or counterparts.pooled is None or empty_prompt.pooled is None
        else beyond(own.pooled, counterparts.pooled, empty_prompt.pooled),
        own.extra,
    )
    return DistillationTargets(tuple(pair.prompt for pair in pairs), own, wanted)


def _aligned(
    pipeline: Pipeline, pair: TrainingPair, own: torch.Tensor, counterpart: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The anchor's tokens, and the empty prompt's, in place of the target's; what comes before the target stays."""
    family = family_of(pipeline)
    aligned, blank = own.clone(), own.clone()
    spans = family.token_spans(pair.prompt, pair.word), family.token_spans(pair.counterpart, pair.anchor)
    for target, anchor in zip(*spans, strict=True):
        rows = torch.arange(target.first, target.stop, device=own.device)
        aligned[rows] = counterpart[(rows + anchor.last - target.last).clamp(anchor.first, anchor.stop - 1)]
        blank[rows] = empty[rows]
    return aligned, blank


def _styled(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> list[TrainingPair]:
    """For a style, prompts that draw words of the tokenizer in it, without those that the edit is judged on."""
    if concept.kind != "style":
        return []
    judged = {word for subject in concept.subjects for word in subject.lower().split()}
    words = [word for word in vocabulary(pipeline, [concept]) if word not in judged]
    styled_framings = [framing for framing in framings("style") if "{s}" in framing]
    targets = (concept.target, *concept.aliases)
    rng = np.random.default_rng(settings.seed)
    pairs = []
    for i in range(_STYLED if words else 0):
        subject = " ".join(words[at] for at in rng.integers(len(words), size=1 + i % 2))
        word, framing = targets[i % len(targets)], styled_framings[i % len(styled_framings)]
        prompt, counterpart = frame(framing, word, subject), frame(framing, concept.anchor, subject)
        pairs.append(TrainingPair(prompt, counterpart, word, concept.anchor))
    return pairs
