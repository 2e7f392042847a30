"""The closed-form edit of cross-attention (UCE, Gandikota et al. 2024, arXiv 2308.14761) as one shared matrix.

UCE solves, for each key and value projection W, min over W' of
    s sum |W' e_i - W g_i|^2 + p sum |W' k_j - W k_j|^2 + r |W' - W|^2.
All projections see the same text embeddings, so the solution is W' = W M with one matrix
    M = I + s (G - E)^T E A^-1,   A = r I + s E^T E + p K^T K,
and W' - W = [s W (G - E)^T] [E A^-1] has rank at most n, the number of target tokens. One inversion serves all layers.
"""

from collections.abc import Sequence

import torch

from twig_assets.ablation.token_pairs import TokenPairs
from twig_assets.settings.ablation import AblationSettings


def solve(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """The shared correction D = M - I of one or several concepts, solved together.

    Summing the statistics of several concepts is exact: the order does not matter, and the result is the joint optimum.

    Args:
        parts: Token statistics of each concept, all of width d.
        settings: The three weights.

    Returns:
        float64 (d, d); a projection W becomes W + W D.
    """
    width = parts[0].target.shape[1]
    gram = settings.ridge * torch.eye(width, dtype=torch.float64)
    shift = torch.zeros(width, width, dtype=torch.float64)
    for part in parts:
        weight = settings.erase_scale / max(1, len(part.target))
        kept = settings.preserve_scale / max(1, len(part.preserve))
        gram += weight * part.target.T @ part.target + kept * part.preserve.T @ part.preserve
        shift += weight * (part.anchor - part.target).T @ part.target
    return torch.linalg.solve(gram, shift, left=False)
