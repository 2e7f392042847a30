"""How differently a denoiser is conditioned by two readings of the same prompts."""

import torch

from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.generation import Conditioning, Pipeline


class ConditioningDistance:
    """Measures how differently a denoiser is conditioned.

    Args:
        pipeline: The model with this denoiser.
    """

    def __init__(self, pipeline: Pipeline):
        weights = text_entry_weights(pipeline).values()
        # One layer after the other: there are 140, and all their energies together take 5 GB.
        total = sum(
            (weight.detach().double().T @ weight.detach().double() for weight in weights), start=torch.zeros(())
        )
        energies, directions = torch.linalg.eigh(total / len(weights))
        self.root = (directions * energies.clamp(min=0).sqrt()).float()

    def between(self, first: Conditioning, second: Conditioning) -> torch.Tensor:
        """Squared differences of n prompts, (n, 1): of what enters the denoiser, averaged over tokens and layers.

        With a pooled text embedding (n, 2): of that as well.
        """
        columns = [((first.tokens - second.tokens).float() @ self.root).pow(2).sum(-1).mean(-1)]
        if first.pooled is not None and second.pooled is not None:
            columns.append((first.pooled - second.pooled).float().pow(2).sum(-1))
        return torch.stack(columns, dim=1)
