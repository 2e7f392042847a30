"""The strategy `repel`: inside the mask, keep the predicted clean image away from the first image."""

from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.repulsion import repel
from twig_assets.regeneration.strategy import RegenerationStrategy, register


@register
class Repel(RegenerationStrategy):
    """Acts at every step, on images that come nearer than `radius`."""

    name = "repel"

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        batch = self.batch
        return repel(prediction, batch.first_latents[:, None], batch.latent_mask, batch.settings)
