"""Searching an embedding that brings a removed concept back, for those who may choose embeddings and not only words.

Source: RECE (Gong et al. 2024, arXiv 2407.12383, equation 6). Through the edited projections W' the embedding c' shall
act as the target c did through the original ones W:
    min over c' of sum |W' c' - W c|^2 + r |c'|^2   =>   c' = (r I + sum W'^T W')^-1 (sum W'^T W) c.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from twig_assets.generation import Conditioning, GenerationSettings, Pipeline, family_of
from twig_assets.generation.batching import at_once
from twig_assets.generation.sampling import sample
from twig_assets.generation.threads import enough_threads

_RIDGE = 1e-4


@torch.no_grad()
def searched_embedding(
    original: Mapping[str, torch.Tensor],
    edited: Mapping[str, torch.Tensor],
    target: torch.Tensor,
    ridge: float = _RIDGE,
) -> torch.Tensor:
    """The embedding that acts through the edited weights most like `target` did through the original ones.

    Args:
        original: Weights of the text entries by name, each (out, d), before the edit.
        edited: The same after it.
        target: (tokens, d), the target prompt's embedding in the unedited model.
        ridge: How much short embeddings are preferred, as a share of the mean eigenvalue of the system.

    Returns:
        float64 (tokens, d).
    """
    width = target.shape[1]
    system, mixed = (torch.zeros(width, width, dtype=torch.float64) for _ in range(2))
    for name, weight in edited.items():
        now = weight.detach().double().cpu()
        system += now.T @ now
        mixed += now.T @ original[name].detach().double().cpu()
    system += ridge * system.trace() / width * torch.eye(width, dtype=torch.float64)
    return torch.linalg.solve(system, mixed @ target.double().cpu().T).T


def draw_encoded(
    pipeline: Pipeline, conditioning: Conditioning, seeds: Sequence[int], settings: GenerationSettings
) -> np.ndarray:
    """Images uint8 (n, H, W, 3) of the conditioning of one prompt, from n seeds."""
    family = family_of(pipeline)
    size = at_once(family, settings)
    batches = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    with enough_threads(pipeline):
        drawn = [sample(family, conditioning.rows([0] * len(batch)), batch, settings) for batch in batches]
    return np.concatenate(drawn)
