"""The strategies `forget` and `auto`: for each image what it needs, found out while it is drawn and at no cost.

A prompt that the model knows by heart gives the same picture from every seed. So at the very first step, when there is
only noise and an ordinary prompt's prediction is a blur, the prediction from a *new* seed already is the first image.
(Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion Models", see the same at the same
step in the size of the guidance.)
"""

from dataclasses import replace

import torch

from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.steering import Prediction, Steer
from twig_assets.settings.regeneration import RegenerationSettings


def explained(clean: torch.Tensor, firsts: torch.Tensor) -> torch.Tensor:
    """Share of the first images' contrast (n, C, h, w) that predictions account for, (n,), at most 1.

    It is 1 - |x - z|^2 / |z - ground of z|^2: 1 for the same picture, about 0 or less for another.
    """
    missed = (clean - firsts).square().flatten(1).sum(1)
    return 1 - missed / (firsts - ground(firsts)).square().flatten(1).sum(1).clamp_min(1e-6)


class Need:
    """Tells prompts known by heart from ordinary ones, and gives each what it needs.

    Attributes:
        memorised: bool (n,), which prompts are known by heart; None until the first step is taken.
    """

    def __init__(self, firsts: torch.Tensor, relocate: Steer | None, settings: RegenerationSettings) -> None:
        """Of one batch; firsts: latents of the first images, relocate: what ordinary prompts get, if anything."""
        self._firsts = firsts
        self._relocate = relocate
        self._settings = settings
        self.memorised: torch.Tensor | None = None

    def steer(self, now: Prediction) -> Prediction:
        """Judge at the first step, and forget what was predicted by heart; later on relocate what is ordinary."""
        if self.memorised is None:
            self.memorised = explained(now.clean, self._firsts.to(now.clean)) >= self._settings.memorised
            if not self.memorised.any():
                return now
            return replace(now, clean=torch.where(self.memorised[:, None, None, None], 0.0, now.clean))
        after = self._relocate(now) if self._relocate else now
        if after is now or not self.memorised.any():
            return after
        keep = self.memorised[:, None, None, None]
        clean, sample = torch.where(keep, now.clean, after.clean), torch.where(keep, now.sample, after.sample)
        return replace(now, clean=clean, sample=sample)

    def scales(self, progress: float) -> torch.Tensor | None:
        """Guidance of the prompts known by heart: opposite until `delay_until`, then none."""
        if self.memorised is None or not self.memorised.any():
            return None
        scale = self._settings.delay_scale if progress < self._settings.delay_until else 0.0
        return torch.where(self.memorised, scale, float("nan"))
