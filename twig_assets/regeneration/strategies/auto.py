"""The strategy `auto`: `forget` what is memorised, `move` what is ordinary, and keep from `references` where given."""

from typing import Any

import numpy as np
import torch

from twig_assets.generation import Conditioning
from twig_assets.generation.steering import Prediction, Step
from twig_assets.regeneration.strategies.forget import Forget
from twig_assets.regeneration.strategies.move import Move
from twig_assets.regeneration.strategies.references import References
from twig_assets.regeneration.strategy import Batch, Redraw, RegenerationStrategy, register


@register
class Auto(RegenerationStrategy):
    """For each image what it needs."""

    name = "auto"

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._forget, self._move, self._references = Forget(batch), Move(batch), References(batch)

    def noise(self) -> torch.Tensor | None:
        """See `RegenerationStrategy`."""
        return self._move.noise()

    def condition(self, step: Step, conditioning: Conditioning) -> Conditioning:
        """See `SamplingHook`."""
        return self._forget.condition(step, conditioning)

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        return self._references.steer(self._forget.steer(prediction))

    def finish(self, images: np.ndarray) -> np.ndarray:
        """Move the objects of ordinary images."""
        if "move" in self.batch.settings.strategies:  # which then moves all of them
            return images
        memorised = self._forget.memorised
        rows = np.ones(len(images), bool) if memorised is None else ~memorised.cpu().numpy()
        return self._move.moved(images, rows)

    def redraw(self) -> Redraw | None:
        """See `RegenerationStrategy`."""
        return self._move.redraw()

    def figures(self) -> list[dict[str, Any]]:
        """See `RegenerationStrategy`."""
        return self._move.figures()
