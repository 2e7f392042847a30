"""The strategy `references`: keep the predicted clean image away from protected works."""

from collections.abc import Sequence

import numpy as np
import torch

from twig_assets.generation import GenerationSettings
from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.memorisation import shown
from twig_assets.regeneration.repulsion import repel
from twig_assets.regeneration.strategy import RegenerationStrategy, register
from twig_assets.similarity import ORIENTATIONS
from twig_assets.similarity.structural.pair_scores import pair_scores


class NoReferencesError(ValueError):
    """The strategy `references` was asked for and there are none."""


@register
class References(RegenerationStrategy):
    """Acts at every step and everywhere, on images that come nearer than `radius` to a work and show its details.

    A blur on a plain ground is near every plain work, and shows the details of none: it is left alone.
    """

    name = "references"

    @classmethod
    def check(cls, generation: GenerationSettings, references: int) -> None:
        """See `RegenerationStrategy`.

        Raises:
            NoReferencesError: If there are none.
        """
        if not references:
            raise NoReferencesError(
                "the strategy 'references' needs protected works to keep away from; give references"
            )

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        batch = self.batch
        if batch.references is None:
            return prediction
        near = shown(prediction.clean, batch.references) >= batch.settings.near_work
        if not near.any():
            return prediction
        return repel(prediction, batch.references[None], torch.ones_like(batch.latent_mask), batch.settings, near)


def nearest_works(images: np.ndarray, works: Sequence[np.ndarray], count: int) -> list[int]:
    """Indices of at most `count` works, those with the highest SSIM to any of the images, best of eight orientations.

    Args:
        images: uint8 (n, H, W, 3).
        works: Protected works, uint8 arrays (h, w, 3) of any size.
        count: At least 1.

    Returns:
        In ascending order; all of them when there are no more than `count`.
    """
    if len(works) <= count:
        return list(range(len(works)))
    scores = pair_scores(images, works, masks=None, orientations=len(ORIENTATIONS), listed=1).whole.max(axis=0)
    return sorted(np.argsort(-scores, kind="stable")[:count].tolist())
