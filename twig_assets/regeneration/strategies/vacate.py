"""The strategy `vacate`: clear the first image's shape out of the predicted clean image while places are decided.

TWIG (arXiv 2504.14933) asks for an image anew "while avoiding the shape in question" and leaves open how. Here the
predicted clean latents inside the mask are pulled to what surrounds the mask, early in the denoising: the network is
told that the place is empty and draws the object where there is room. Nothing of the first image is kept.
"""

from dataclasses import replace

import torch

from twig_assets.generation.steering import Prediction, Steer
from twig_assets.regeneration.latents import surroundings
from twig_assets.settings.regeneration import RegenerationSettings


def vacate(mask: torch.Tensor, settings: RegenerationSettings) -> Steer:
    """Acts until the share `settings.until` of the steps is done; mask: (n, 1, h, w), zeros and ones."""

    def steer(now: Prediction) -> Prediction:
        if now.progress >= settings.until:
            return now
        inside = mask.to(now.clean)
        empty = surroundings(now.clean, inside)
        return replace(now, clean=now.clean + settings.strength * inside * (empty - now.clean))

    return steer
