"""The strategy `suppress`: inside the mask, the words that name the object get hardly any cross-attention."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from twig_assets.generation import Capability
from twig_assets.generation.attention import BiasedProcessor, suppression
from twig_assets.generation.steering import Prediction
from twig_assets.regeneration.object_tokens import object_tokens
from twig_assets.regeneration.strategy import Batch, RegenerationStrategy, register


@register
class Suppress(RegenerationStrategy):
    """Acts until the share `until` of the steps is done."""

    name = "suppress"
    needs = frozenset({Capability.CROSS_ATTENTION})

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        tokens = object_tokens(batch.family, batch.prompts)
        self._bias = suppression(batch.latent_mask, tokens, batch.settings.strength)
        self._active = True

    @contextmanager
    def attached(self) -> Iterator[None]:
        """See `SamplingHook`."""
        with self.batch.family.cross_attention(lambda processor: BiasedProcessor(processor, self._current_bias)):
            yield

    def _current_bias(self, places: int) -> torch.Tensor | None:
        return self._bias(places) if self._active else None

    def steer(self, prediction: Prediction) -> Prediction:
        """Change nothing now, and decide whether attention is suppressed at the next step."""
        step = prediction.step
        self._active = (step.index + 1) / step.steps < self.batch.settings.until
        return prediction
