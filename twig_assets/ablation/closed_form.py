"""The closed-form edit of cross-attention (UCE, Gandikota et al. 2024, arXiv 2308.14761) as one shared matrix.

UCE solves, for each key and value projection W, min over W' of
    s sum |W' e_i - v_i|^2 + p sum |W' k_j - W k_j|^2 + r |W' - W|^2,   v_i = W g_i.
All projections see the same text embeddings, so the solution is W' = W M with one matrix
    M = I + s (G - E)^T E A^-1,   A = r I + s E^T E + p K^T K,
and W' - W = [s W (G - E)^T] [E A^-1] has rank at most n, the number of target tokens. One inversion serves all layers.

Where the v_i are learned instead of read off the anchor (see `distil`), v_i = W g_i + B b_i with b_i the coordinates of
e_i in a basis R, the solution of the same problem is W' = W M + B R A^-1: still linear in what each concept adds, so
that concepts compose by adding up.
"""

import re
from collections.abc import Collection, Sequence

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
    return torch.linalg.solve(gram(parts, settings), shift(parts, settings), left=False)


def gram(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """The matrix A of the module's equations, float64 (d, d), symmetric and positive definite."""
    total = settings.ridge * torch.eye(parts[0].target.shape[1], dtype=torch.float64)
    for part in parts:
        total += _weight(part, settings) * part.target.T @ part.target
        total += settings.preserve_scale / max(1, len(part.preserve)) * part.preserve.T @ part.preserve
    return total


def shift(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """Sum of s (G - E)^T E over the parts: float64 (d, d)."""
    return sum(
        (_weight(part, settings) * (part.anchor - part.target).T @ part.target for part in parts),
        start=torch.zeros(2 * (parts[0].target.shape[1],), dtype=torch.float64),
    )


def without(part: TokenPairs, words: Collection[str]) -> TokenPairs:
    """The statistics with no preserved prompt that names one of the words: what another edit removes can't be kept."""
    named = [any(re.search(rf"(?<!\w){re.escape(w)}(?!\w)", p, re.IGNORECASE) for w in words if w)
             for p, _ in part.preserved]  # fmt: skip
    if not any(named):
        return part
    mask = torch.cat([torch.full((count,), not hit) for (_, count), hit in zip(part.preserved, named, strict=True)])
    left = tuple(entry for entry, hit in zip(part.preserved, named, strict=True) if not hit)
    return TokenPairs(part.target, part.anchor, part.preserve[mask], left)


def _weight(part: TokenPairs, settings: AblationSettings) -> float:
    return settings.erase_scale / max(1, len(part.target))
