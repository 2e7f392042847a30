"""`closed_form`: token statistics, from which all key and value projections are solved at once.

`edits/closed_form_solution.py` has the equations. Here the statistics are collected and, over some rounds, extended by
the embeddings that bring the target back (RECE, Gong et al. 2024, arXiv 2407.12383).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from twig_assets.ablation.edits.closed_form_solution import solve
from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.edits.parameters import pooled_entry_weights, text_entry_weights
from twig_assets.ablation.methods.method import AblationTask, OnStep
from twig_assets.ablation.prompts.token_pairs import TokenPairs, token_pairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings

# Weight of a small embedding in the search, as a share of the projections' mean energy.
_REGULARISER = 1e-3


class ClosedForm:
    """The method; see the module."""

    def problem(self, pipeline: Pipeline) -> str | None:
        """Text enters every denoiser somewhere."""
        return None

    def remove_concept(self, task: AblationTask) -> EditPart:
        """Collect the statistics; they are solved when the edit is applied."""
        pairs = token_pairs(task.pipeline, task.concept, task.settings)
        return EditPart(task.concept, harden(task.pipeline, pairs, task.settings))

    def compose(self, edit: ConceptEdit, pipeline: Pipeline | None, on_step: OnStep | None) -> ConceptEdit:
        """Nothing is left to do: the statistics of all parts are solved together, which is exact."""
        return edit


METHOD = ClosedForm()


def harden(pipeline: Pipeline, pairs: TokenPairs, settings: AblationSettings) -> TokenPairs:
    """Add embeddings that act through the edited projections as the target does through the unedited ones.

    With all W' = W M, the embedding c' nearest to doing that for a target token e is
        c' = (l I + M^T S M)^-1 M^T S e,   S = sum W^T W over the projections.
    Each round solves, searches the c' of every target token, and adds them with the anchors of their tokens. Pooled
    embeddings have projections of their own.

    Args:
        pipeline: The unedited model.
        pairs: Token statistics of the concept.
        settings: `adversarial_rounds` is the number of rounds, 0 or more.
    """
    hardened = _hardened(list(text_entry_weights(pipeline).values()), pairs, settings)
    if pairs.pooled is None:
        return hardened
    return replace(hardened, pooled=_hardened(list(pooled_entry_weights(pipeline).values()), pairs.pooled, settings))


def _hardened(layers: Sequence[torch.Tensor], pairs: TokenPairs, settings: AblationSettings) -> TokenPairs:
    """The same for layers whose first columns read the embeddings of these pairs."""
    width = pairs.target.shape[1]
    if settings.adversarial_rounds == 0:
        return pairs
    energy = torch.zeros(width, width, dtype=torch.float64)
    for layer in layers:
        weight = layer.detach()[:, :width].double().cpu()
        energy += weight.T @ weight
    unit = torch.eye(width, dtype=torch.float64)
    regulariser = _REGULARISER * energy.trace() / width * unit
    original, anchor = pairs.target, pairs.anchor
    for _ in range(settings.adversarial_rounds):
        edited = unit + solve([pairs], settings)
        embeddings = torch.linalg.solve(regulariser + edited.T @ energy @ edited, edited.T @ energy @ original.T).T
        target, wanted = torch.cat([pairs.target, embeddings]), torch.cat([pairs.anchor, anchor])
        pairs = replace(pairs, target=target, anchor=wanted)
    return pairs
