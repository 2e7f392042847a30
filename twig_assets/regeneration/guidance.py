"""Classifier-free guidance of another scale for some images of a batch, and what it takes."""

import torch

from twig_assets.generation import GenerationSettings
from twig_assets.generation.steering import Step


def rescaled(step: Step, without: torch.Tensor, prompted: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Predictions with the prompt such that the sampler's own guidance comes to other scales.

    The sampler computes u + s (c - u) from the predictions without (u) and with the prompt (c). With c replaced by
    u + (w / s) (c - u) that is u + w (c - u).

    Args:
        step: Whose guidance scale is s.
        without: u, (n, C, h, w).
        prompted: c, of the same shape.
        scales: w, the wanted scale of every image, (n,); NaN where it stays as it is.
    """
    weight = (scales.to(without) / step.guidance_scale)[:, None, None, None]
    return torch.where(weight.isnan(), prompted, without + weight * (prompted - without))


def check_guidance(generation: GenerationSettings) -> None:
    """Refuse settings without classifier-free guidance, for strategies that change it.

    Raises:
        ValueError: If the guidance scale leaves none.
    """
    if generation.guidance_scale <= 1:
        raise ValueError(
            f"guidance_scale {generation.guidance_scale:g} leaves no guidance to change; set it above 1, or choose "
            f"another strategy than 'delay'"
        )
