"""The strategy `vacate`: clear the first image's shape out of the predicted clean image while places are decided.

TWIG (arXiv 2504.14933) asks for another image "while avoiding the shape in question" and leaves open how. Here the
predicted clean latents inside the mask are pulled to what surrounds the mask, early in the denoising: the network sees
that the place is empty and draws the object where there is room. Nothing of the first image is kept.
"""

from dataclasses import replace

from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.latents import surroundings
from twig_assets.regeneration.strategy import RegenerationStrategy, register


@register
class Vacate(RegenerationStrategy):
    """Acts until the share `until` of the steps is done."""

    name = "vacate"

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        settings = self.batch.settings
        if prediction.step.progress >= settings.until:
            return prediction
        inside = self.batch.latent_mask.to(prediction.clean)
        empty = surroundings(prediction.clean, inside)
        return replace(prediction, clean=prediction.clean + settings.strength * inside * (empty - prediction.clean))
