"""Detecting, while an image is drawn and at no cost, that the model has memorised the picture of its prompt.

At the very first step there is only noise, and an ordinary prompt's prediction is a blur: the mean of everything that
the prompt could be. A memorised prompt's prediction already has the details of one picture, which are those of the
first image, or of a protected work. (Wen et al. 2024, "Detecting, Explaining, and Mitigating Memorization in Diffusion
Models", see the same at the same step in the size of the guidance.) So only details are compared. A blur on a white
page is much like any plain work as a whole, and has none of its details.
"""

import torch
import torch.nn.functional as F

from twig_assets.settings.regeneration import RegenerationSettings

# Side of the window whose mean is taken away, as a share of the frame's shorter side: what is left are the details.
WINDOW = 3 / 16


def details(latents: torch.Tensor) -> torch.Tensor:
    """Latents (n, C, h, w) without the local mean, which holds the ground, the light and what is blurred."""
    half = max(1, int(min(latents.shape[-2:]) * WINDOW) // 2)
    padded = F.pad(latents, (half,) * 4, mode="replicate")
    return latents - F.avg_pool2d(padded, 2 * half + 1, stride=1)


def shown(clean: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """How far predictions show the details of pictures: the cosine of both details, (n, k), -1 to 1.

    Args:
        clean: Predicted clean latents (n, C, h, w).
        pictures: Latents (k, C, h, w).
    """
    predicted, drawn = (F.normalize(details(latents).flatten(1)) for latents in (clean, pictures.to(clean)))
    return predicted @ drawn.T


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
        self._first_latents, self._settings = first_latents, settings
        self._references = first_latents[:0] if references is None else references

    def detect(self, clean: torch.Tensor) -> torch.Tensor:
        """Which prompts are memorised, bool (n,), by the predicted clean latents (n, C, h, w) of the first step."""
        memorised = shown(clean, self._first_latents).diagonal() >= self._settings.memorised
        return memorised | (shown(clean, self._references) >= self._settings.near_work).any(1)

    def brought_back(self, clean: torch.Tensor, image: int) -> torch.Tensor:
        """The pictures that a prompt brings back: of its first image and the protected works, (k, C, h, w), k >= 1.

        These are the ones that its prediction shows beyond the thresholds, or the one that it shows most. Others do not
        count: a thing on a plain ground is a little like any other, which says nothing of the words.

        Args:
            clean: The prediction with the whole prompt, (1, C, h, w).
            image: The number of the image in the batch.
        """
        pictures = torch.cat([self._first_latents[image, None], self._references.to(self._first_latents)])
        scores = shown(clean, pictures)[0]
        limits = torch.full_like(scores, self._settings.near_work)
        limits[0] = self._settings.memorised
        reached = scores >= limits
        return pictures[reached] if reached.any() else pictures[scores.argmax()][None]
