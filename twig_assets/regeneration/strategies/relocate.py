"""The strategy `relocate`: follow the gradient by which the object's words pay less attention to the mask.

It costs a further pass of the denoiser, and one back through it, for every step at which it acts.
"""

from dataclasses import replace

import torch

from twig_assets.generation import Capability
from twig_assets.generation.attention import WatchingProcessor, overlap_energy
from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.object_tokens import object_tokens
from twig_assets.regeneration.strategy import Batch, RegenerationStrategy, register

# Root mean square of the change of the predicted clean image at strength 1, as a share of its own.
STEP = 0.3


class NoRoomError(ValueError):
    """A mask over everything leaves no place to go to."""


@register
class Relocate(RegenerationStrategy):
    """Acts until the share `until` of the steps is done.

    Raises:
        NoRoomError: If a mask covers everything.
        ObjectTokensError: If a prompt names no object.
    """

    name = "relocate"
    needs = frozenset({Capability.CROSS_ATTENTION})

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        full = batch.latent_mask.flatten(1).all(1)
        if full.any():
            raise NoRoomError(
                f"mask {int(full.nonzero()[0])} covers every latent cell; there is no room to relocate to"
            )
        self._tokens = object_tokens(batch.family, batch.prompts)

    def steer(self, prediction: Prediction) -> Prediction:
        """One step down the energy, of a length that is a share of the prediction's own size."""
        settings, clean = self.batch.settings, prediction.clean
        if prediction.step.progress >= settings.until:
            return prediction
        gradient = self.gradient(prediction)
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
        length = settings.strength * STEP * clean.square().mean((1, 2, 3), keepdim=True).sqrt()
        # A sample at noise level s moves by -g; seen in its clean image that is the same direction.
        return replace(prediction, clean=clean - torch.where(size > 0, length * gradient / size.clamp_min(1e-12), 0.0))

    @torch.enable_grad()
    def gradient(self, prediction: Prediction) -> torch.Tensor:
        """Gradient of the summed energy of all layers with respect to the prediction's sample, float32 (n, C, h, w)."""
        family, step = self.batch.family, prediction.step
        noisy = prediction.sample.to(family.dtype).detach().requires_grad_()
        attention: list[torch.Tensor] = []
        with family.cross_attention(lambda processor: WatchingProcessor(processor, attention.append)):
            family.predict(noisy, step.timestep, prediction.conditioning, step.guidance_scale)
        mask, tokens = self.batch.latent_mask.to(noisy), self._tokens.to(noisy.device)
        energy = torch.stack([overlap_energy(layer, mask, tokens) for layer in attention]).sum()
        return torch.autograd.grad(energy, noisy)[0].float()
