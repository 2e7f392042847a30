"""The conditioning that a target's prompts are distilled towards: that of the anchor's prompts.

All of it comes from the unedited text encoders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from twig_assets.ablation.methods.conditioning_distance import ConditioningDistance
from twig_assets.ablation.prompts.pooled_overshoot import pooled_overshoot
from twig_assets.ablation.prompts.styled_pairs import styled_pairs
from twig_assets.ablation.prompts.training_pairs import TrainingPair, training_pairs
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


@dataclass(frozen=True)
class DistillationTargets:
    """What a concept's prompts are distilled towards.

    Attributes:
        prompts: n prompts that ask for the target.
        unedited: Their conditioning by the unedited text encoders.
        wanted: Their conditioning by the edited ones.
        overshoots: How far beyond the anchor it lies, as a multiple of the difference from the target: of the tokens
            and, where there is one, of the pooled embedding.
    """

    prompts: tuple[str, ...]
    unedited: Conditioning
    wanted: Conditioning
    overshoots: tuple[float, ...]

    def apart(self, distance: ConditioningDistance) -> torch.Tensor:
        """What separates target and anchor, in the squared units and the columns of `distance`."""
        overshoots = torch.tensor(self.overshoots)
        separation = distance.between(self.unedited, self.wanted).mean(0)
        return separation / (1 + overshoots.to(separation)) ** 2


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

    A pooled embedding is sent no further than the denoiser follows (`pooled_overshoot`). Where there is one, nothing is
    sent away from the empty prompt's: of pooled embeddings that brings the target back, and of tokens it then does
    nothing but make the distillation harder.
    """
    if pairs is None:
        pairs = [*training_pairs(concept, settings), *styled_pairs(pipeline, concept, settings)]
    family = family_of(pipeline)
    own = family.encode([pair.prompt for pair in pairs])
    counterparts = family.encode([pair.counterpart for pair in pairs])
    empty_prompt = family.encode([""])
    emphasis = settings.emphasis if concept.kind == "object" and own.pooled is None else 0.0
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

    tokens = aligned + settings.overshoot * (aligned - own.tokens) + emphasis * (aligned - blank)
    prompts, overshoots = tuple(pair.prompt for pair in pairs), (settings.overshoot,)
    if own.pooled is None or counterparts.pooled is None:
        return DistillationTargets(prompts, own, Conditioning(tokens, None, own.extra), overshoots)
    further = pooled_overshoot(pipeline, concept, settings)
    pooled = counterparts.pooled + further * (counterparts.pooled - own.pooled)
    return DistillationTargets(prompts, own, Conditioning(tokens, pooled, own.extra), (*overshoots, further))


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
