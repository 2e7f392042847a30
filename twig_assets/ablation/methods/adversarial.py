"""Rounds of erasing what brings the target back (RECE, Gong et al. 2024, arXiv 2407.12383)."""

import torch

from twig_assets.ablation.edits.concept_edit import cross_attention_weights
from twig_assets.ablation.methods import closed_form
from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings

# Weight of a small embedding in the search, as a share of the projections' mean energy.
_REGULARISER = 1e-3


def harden(pipeline: Pipeline, pairs: TokenPairs, settings: AblationSettings) -> TokenPairs:
    """Add embeddings that the edited projections read as the unedited ones read the target.

    With all W' = W M, the embedding c' nearest to doing that for a target token e is
        c' = (l I + M^T S M)^-1 M^T S e,   S = sum W^T W over the projections.
    Each round solves, finds the c' of every target token, and adds them with the anchors of their tokens.

    Args:
        pipeline: The unedited model.
        pairs: Token statistics of the concept.
        settings: `adversarial_rounds` says how often.
    """
    weights = [weight.detach().double().cpu() for weight in cross_attention_weights(pipeline).values()]
    energy = torch.stack([weight.T @ weight for weight in weights]).sum(0)
    unit = torch.eye(energy.shape[0], dtype=torch.float64)
    regulariser = _REGULARISER * energy.trace() / len(unit) * unit
    original, anchor = pairs.target, pairs.anchor
    for _ in range(settings.adversarial_rounds):
        edited = unit + closed_form.solve([pairs], settings)
        found = torch.linalg.solve(regulariser + edited.T @ energy @ edited, edited.T @ energy @ original.T).T
        pairs = TokenPairs(
            torch.cat([pairs.target, found]), torch.cat([pairs.anchor, anchor]), pairs.preserve, pairs.preserved
        )
    return pairs
