"""The strategy `delay`: guidance of another scale while the first steps decide what the image will be."""

import torch

from twig_assets.generation import Capability, GenerationSettings
from twig_assets.generation.steering import Step
from twig_assets.regeneration.guidance import check_guidance, rescaled
from twig_assets.regeneration.strategy import RegenerationStrategy, register


@register
class Delay(RegenerationStrategy):
    """Guidance is `delay_scale` until the share `delay_until` of the steps is done."""

    name = "delay"
    needs = frozenset({Capability.GUIDANCE})

    @classmethod
    def check(cls, generation: GenerationSettings, references: int) -> None:
        """See `RegenerationStrategy`."""
        check_guidance(generation)

    def guide(self, step: Step, without: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
        """See `SamplingHook`."""
        settings = self.batch.settings
        if step.progress >= settings.delay_until:
            return prompted
        scales = torch.full((len(prompted),), settings.delay_scale * settings.strength)
        return rescaled(step, without, prompted, scales)
