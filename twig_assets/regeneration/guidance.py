"""Classifier-free guidance of another scale for some images of a batch."""

import torch

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
