"""The strategies `forget` and `auto`: for each image what it needs, found out while it is drawn and at no cost.

A prompt that the model knows by heart gives the same picture from every seed. So at the very first step, when there is
only noise and an ordinary prompt's prediction is a blur, the prediction from a *new* seed already is the first image.
(Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion Models", see the same at the same
step in the size of the guidance.) Where concepts were removed from the model, copies are blurred and differ from each
other; what shows then is the protected work itself, if it was given.
"""

from dataclasses import replace

import torch

from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.latents import ground
from twig_assets.settings.regeneration import RegenerationSettings


def explained(clean: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Share of the pictures' contrast that predictions account for, (n,), at most 1.

    It is 1 - |x - z|^2 / |z - ground of z|^2: 1 for the same picture, about 0 or less for another.

    Args:
        clean: (n, C, h, w).
        pictures: Of the same shape, or one (1, C, h, w) for all.
    """
    missed = (clean - pictures).square().flatten(1).sum(1)
    return 1 - missed / (pictures - ground(pictures)).square().flatten(1).sum(1).clamp_min(1e-6)


class Need:
    """Tells prompts known by heart from ordinary ones, and gives each what it needs.

    Attributes:
        memorised: bool (n,), which prompts are known by heart; None until the first step is taken.
    """

    def __init__(self, firsts: torch.Tensor, works: torch.Tensor | None, settings: RegenerationSettings) -> None:
        """Of one batch.

        Args:
            firsts: Latents of the first images (n, C, h, w).
            works: Latents of the protected works (k, C, h, w), if any are known.
            settings: The thresholds, and the guidance of what is known by heart.
        """
        self._firsts = firsts
        self._works = works
        self._settings = settings
        self.memorised: torch.Tensor | None = None

    def steer(self, now: Prediction) -> Prediction:
        """Judge at the first step, and forget what was predicted by heart."""
        if self.memorised is not None:
            return now
        self.memorised = self._by_heart(now.clean)
        if not self.memorised.any():
            return now
        return replace(now, clean=torch.where(self.memorised[:, None, None, None], 0.0, now.clean))

    def _by_heart(self, clean: torch.Tensor) -> torch.Tensor:
        known = explained(clean, self._firsts.to(clean)) >= self._settings.memorised
        for work in () if self._works is None else self._works:
            known = known | (explained(clean, work[None].to(clean)) >= self._settings.near_work)
        return known

    def scales(self, progress: float) -> torch.Tensor | None:
        """Guidance of the prompts known by heart: opposite until `delay_until`, then none, or the neutral prompt's."""
        if self.memorised is None or not self.memorised.any():
            return None
        if progress < self._settings.delay_until:
            return torch.where(self.memorised, self._settings.delay_scale, float("nan"))
        return None if self._settings.neutral else torch.where(self.memorised, 0.0, float("nan"))

    def neutral(self, progress: float) -> torch.Tensor | None:
        """Where the neutral prompt is read by the images known by heart: bool (2n,), as in `guidance.Chosen`.

        First it is what opposite guidance starts from, then it takes the place of the prompt.
        """
        if self.memorised is None or not self.memorised.any():
            return None
        none = torch.zeros_like(self.memorised)
        early = progress < self._settings.delay_until
        return torch.cat([self.memorised, none] if early else [none, self.memorised])
