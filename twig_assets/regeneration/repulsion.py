"""Keeping predictions out of balls around what must not come out.

Kirchhof et al. 2025 (SPELL, arXiv 2410.06025): around each thing to avoid lies a ball, and a prediction x inside it is
moved out along x - z by relu(r / |x - z| - 1) (x - z), their equation for one reference. At strength 1 it lands on
the ball's surface. Outside the ball nothing happens at all, so what comes near nothing is the plain sampler's.
"""

from dataclasses import replace

import torch

from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.latents import ground
from twig_assets.settings.regeneration import RegenerationSettings


def contrast(centres: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Root mean square, (n, k), of how far each centre (n, k, C, h, w) is from its own ground where weight is one."""
    return _distance(centres, torch.stack([ground(latents) for latents in centres]), weight)


def repelled(
    clean: torch.Tensor, centres: torch.Tensor, weight: torch.Tensor, radius: torch.Tensor, strength: float
) -> torch.Tensor:
    """Predictions moved out of the balls around centres.

    Args:
        clean: Predicted clean latents (n, C, h, w).
        centres: What to keep away from, (n, k, C, h, w) or (1, k, C, h, w).
        weight: Zeros and ones (n, 1, h, w): where the distance is taken and the prediction may change.
        radius: Of each ball (n, k), as a root mean square per latent value.
        strength: 1 moves to the surface, 0 not at all.

    Returns:
        Latents of the same shape; the very same tensor when none is inside a ball.
    """
    away = clean[:, None] - centres
    distance = _distance(clean[:, None], centres, weight)
    push = torch.relu(radius / distance.clamp_min(1e-6) - 1)
    if not push.any():
        return clean
    return clean + strength * weight * (push[..., None, None, None] * away).sum(1)


def repel(
    prediction: Prediction,
    centres: torch.Tensor,
    weight: torch.Tensor,
    settings: RegenerationSettings,
    near: torch.Tensor | None = None,
) -> Prediction:
    """Keep the images of a batch away from centres; `centres` and `weight` are as in `repelled`.

    Args:
        prediction: Of n images.
        centres: See `repelled`.
        weight: See `repelled`.
        settings: The radius and the strength.
        near: bool (n, k), which image is to be kept away from which centre; None is each from all.
    """
    inside, about = weight.to(prediction.clean), centres.to(prediction.clean)
    radius = settings.radius * contrast(about, inside)
    if near is not None:
        radius = radius * near.to(radius)
    moved = repelled(prediction.clean, about, inside, radius, settings.strength)
    return prediction if moved is prediction.clean else replace(prediction, clean=moved)


def _distance(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    inside = weight[:, None]
    squares = (inside * (a - b).square()).sum((2, 3, 4))
    return (squares / (inside.sum((2, 3, 4)) * a.shape[2]).clamp_min(1)).sqrt()
