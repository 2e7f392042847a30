"""Detecting, while an image is drawn and at no cost, that the model has memorised the picture of its prompt.

A memorised prompt gives the same picture from every seed. So at the very first step, when there is only noise and an
ordinary prompt's prediction is a blur, the prediction from a *new* seed already is the first image. (Wen et al. 2024,
"Detecting, Explaining, and Mitigating Memorization in Diffusion Models", see the same at the same step in the size of
the guidance.) Where concepts were removed from the model, copies are blurred and differ from each other; what shows
then is the protected work itself, if it was given.
"""

import torch

from twig_assets.regeneration.latents import ground
from twig_assets.settings.regeneration import RegenerationSettings


def explained(clean: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Share of the pictures' contrast that predictions account for, (n,), at most 1.

    It is 1 - |x - z|^2 / |z - ground of z|^2: 1 for the same picture, about 0 or less for another.

    Args:
        clean: Predicted clean latents (n, C, h, w).
        pictures: Latents of the same shape, or (1, C, h, w) for all.
    """
    missed = (clean - pictures).square().flatten(1).sum(1)
    return 1 - missed / (pictures - ground(pictures)).square().flatten(1).sum(1).clamp_min(1e-6)


class MemorisationDetector:
    """Distinguishes memorised prompts from ordinary ones by the first prediction of a batch.

    Args:
        first_latents: Of the first images, (n, C, h, w).
        references: Latents of the protected works (k, C, h, w), if any are known.
        settings: The thresholds `memorised` and `near_work`.
    """

    def __init__(
        self, first_latents: torch.Tensor, references: torch.Tensor | None, settings: RegenerationSettings
    ) -> None:
        self._first_latents, self._references, self._settings = first_latents, references, settings

    def detect(self, clean: torch.Tensor) -> torch.Tensor:
        """Which prompts are memorised, bool (n,), by the predicted clean latents (n, C, h, w) of the first step."""
        memorised = explained(clean, self._first_latents.to(clean)) >= self._settings.memorised
        for work in () if self._references is None else self._references:
            memorised = memorised | (explained(clean, work[None].to(clean)) >= self._settings.near_work)
        return memorised
