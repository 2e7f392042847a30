"""The closed-form edit of cross-attention (UCE, Gandikota et al. 2024, arXiv 2308.14761) as one shared matrix.

UCE solves, for each key and value projection W, min over W' of
    s sum |W' e_i - v_i|^2 + p sum |W' k_j - W k_j|^2 + r |W' - W|^2,   v_i = W g_i.
All projections see the same text embeddings, so the solution is W' = W M with one matrix
    M = I + s (G - E)^T E Q,   Q = (r I + s E^T E + p K^T K)^-1,
and W' - W = [s W (G - E)^T] [E Q] has rank at most n, the number of target tokens. One inversion serves all layers.

A pooled embedding of the whole prompt, which some models read besides, enters through layers of its own. They get a
matrix of the same kind from the pooled embeddings of the same prompts.

With null-space protection (after SPEED, Li et al. 2026, arXiv 2503.07392) W' - W may only act on directions that the
preserved embeddings do not have: Q = P (r I + s P E^T E P)^-1 P, P the projector onto those directions.
"""

from collections.abc import Collection, Sequence

import torch

from twig_assets.ablation.prompts.token_pairs import TokenPairs
from twig_assets.settings.ablation import AblationSettings, names


def solve(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """The shared correction D = M - I of one or several concepts, solved together.

    Summing the statistics of several concepts is exact: the order does not matter, and the result is the joint optimum.

    Args:
        parts: Token statistics of each concept, all of width d.
        settings: The three weights, and whether to project.

    Returns:
        float64 (d, d); a projection W becomes W + W D.
    """
    return shift(parts, settings) @ response(parts, settings)


def shift(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """Sum of s (G - E)^T E over the parts: float64 (d, d)."""
    width = parts[0].target.shape[1]
    return sum(
        (_weight(part, settings) * (part.anchor - part.target).T @ part.target for part in parts),
        start=torch.zeros(width, width, dtype=torch.float64),
    )


def response(parts: Sequence[TokenPairs], settings: AblationSettings) -> torch.Tensor:
    """The matrix Q of the module's equations, float64 (d, d), symmetric."""
    width = parts[0].target.shape[1]
    erased, kept = (torch.zeros(width, width, dtype=torch.float64) for _ in range(2))
    for part in parts:
        erased += _weight(part, settings) * part.target.T @ part.target
        kept += part.preserve.T @ part.preserve / max(1, len(part.preserve))
    ridge = settings.ridge * torch.eye(width, dtype=torch.float64)
    if settings.null_space == 0:
        return torch.linalg.inv(ridge + erased + settings.preserve_scale * kept)
    energies, directions = torch.linalg.eigh(kept)
    free = directions[:, energies < settings.null_space * energies[-1]]
    projector = free @ free.T
    return projector @ torch.linalg.inv(ridge + projector @ erased @ projector) @ projector


def without(part: TokenPairs, words: Collection[str]) -> TokenPairs:
    """The statistics with no preserved prompt that names one of the words: what another edit removes can't be kept."""
    named = [any(names(prompt, word) for word in words) for prompt, _ in part.preserved]
    if not any(named):
        return part
    mask = torch.cat([torch.full((count,), not hit) for (_, count), hit in zip(part.preserved, named, strict=True)])
    left = tuple(entry for entry, hit in zip(part.preserved, named, strict=True) if not hit)
    pooled = None if part.pooled is None else without(part.pooled, words)
    return TokenPairs(part.target, part.anchor, part.preserve[mask], left, pooled)


def _weight(part: TokenPairs, settings: AblationSettings) -> float:
    return settings.erase_scale / max(1, len(part.target))
