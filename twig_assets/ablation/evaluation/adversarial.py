"""An embedding that brings a removed concept back, for whoever may choose embeddings and not only words.

Source: RECE (Gong et al. 2024, arXiv 2407.12383, equation 6). Through the edited projections W' it shall act as the
target c did through the original ones W:
    min over c' of sum |W' c' - W c|^2 + r |c'|^2   =>   c' = (r I + sum W'^T W')^-1 (sum W'^T W) c.
"""

from collections.abc import Mapping

import numpy as np
import torch

from twig_assets.generation import GenerationSettings, Pipeline
from twig_assets.generation.generate import sample

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
        original: Key and value projections by name, each (out, d), before the edit.
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


@torch.no_grad()
def encode(pipeline: Pipeline, prompt: str) -> dict[str, torch.Tensor]:
    """What a pipeline can be given in place of a prompt: `prompt_embeds` and, for XL, `pooled_prompt_embeds`."""
    encoded = pipeline.encode_prompt(
        prompt=prompt, device=pipeline.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    found = {"prompt_embeds": encoded[0]}
    return found | ({"pooled_prompt_embeds": encoded[2]} if len(encoded) == 4 else {})


def draw_encoded(
    pipeline: Pipeline, encoded: dict[str, torch.Tensor], seeds: list[int], settings: GenerationSettings
) -> np.ndarray:
    """Images uint8 (n, H, W, 3) of one encoded prompt from n seeds."""
    drawn = []
    for at in range(0, len(seeds), settings.batch_size):
        chunk = seeds[at : at + settings.batch_size]
        repeated = {k: v.to(pipeline.unet.dtype).repeat(len(chunk), *[1] * (v.dim() - 1)) for k, v in encoded.items()}
        drawn.append(sample(pipeline, None, chunk, settings, repeated))
    return np.concatenate(drawn)
