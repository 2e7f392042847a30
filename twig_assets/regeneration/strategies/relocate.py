"""The strategy `relocate`: follow the gradient by which the object's words pay less attention to the mask.

It costs a further pass of the U-Net, and one back through it, for every step at which it acts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from twig_assets.generation import Pipeline
from twig_assets.generation.attention import WatchingProcessor, cross_attention, overlap_energy
from twig_assets.generation.steering import Prediction
from twig_assets.settings.regeneration import RegenerationSettings

# Root mean square of the change of the predicted clean image at strength 1, as a share of its own.
STEP = 0.3


class NoRoomError(ValueError):
    """A mask over everything leaves no place to go to."""


class Relocation:
    """The strategy for one batch; `attached` has to be entered around the sampling."""

    def __init__(
        self, pipeline: Pipeline, mask: torch.Tensor, tokens: torch.Tensor, settings: RegenerationSettings
    ) -> None:
        """mask: (n, 1, h, w), zeros and ones; tokens: bool (n, length), those of the object."""
        full = mask.flatten(1).all(1)
        if full.any():
            raise NoRoomError(
                f"mask {int(full.nonzero()[0])} covers every latent cell; there is no room to relocate to"
            )
        self._unet = pipeline.unet
        self._mask, self._tokens, self._settings = mask, tokens, settings
        self._call: dict[str, Any] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listens for what the pipeline asks of the U-Net, which the further passes ask again."""

        def listen(_module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            self._call = {"timestep": args[1], **kwargs}

        handle = self._unet.register_forward_pre_hook(listen, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def steer(self, now: Prediction) -> Prediction:
        """One step down the energy, of a length that is a share of the prediction's own size."""
        if now.progress >= self._settings.until:
            return now
        gradient = self.gradient(now.sample)
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
        length = self._settings.strength * STEP * now.clean.square().mean((1, 2, 3), keepdim=True).sqrt()
        # A sample at noise level s moves by -g; seen in its clean image that is the same direction.
        return replace(now, clean=now.clean - torch.where(size > 0, length * gradient / size.clamp_min(1e-12), 0.0))

    @torch.enable_grad()
    def gradient(self, sample: torch.Tensor) -> torch.Tensor:
        """Gradient of the summed energy of all layers with respect to noisy latents (n, C, h, w)."""
        noisy = sample.to(self._unet.dtype).detach().requires_grad_()
        paid: list[torch.Tensor] = []
        with cross_attention(self._unet, lambda inner: WatchingProcessor(inner, paid.append)):
            # .forward, so that the hooks on the U-Net are left out.
            self._unet.forward(noisy, **{name: _prompted(value, len(sample)) for name, value in self._call.items()})
        mask, tokens = self._mask.to(noisy), self._tokens.to(noisy.device)
        energy = torch.stack([overlap_energy(one, mask, tokens) for one in paid]).sum()
        return torch.autograd.grad(energy, noisy)[0].float()


def _prompted(value: Any, count: int) -> Any:
    """The half of an argument of the U-Net that belongs to the prompts."""
    if isinstance(value, dict):
        return {name: _prompted(one, count) for name, one in value.items()}
    if isinstance(value, torch.Tensor) and value.ndim > 1 and len(value) == 2 * count:
        return value[count:]
    return value
