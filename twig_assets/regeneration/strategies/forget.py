"""The strategy `forget`: memorised prompts get opposite guidance, then a neutral prompt; others are left alone."""

from dataclasses import replace

import torch

from twig_assets.generation import Capability, Conditioning, GenerationSettings
from twig_assets.generation.steering import Prediction, Step
from twig_assets.regeneration.guidance import check_guidance, rescaled
from twig_assets.regeneration.memorisation import MemorisationDetector
from twig_assets.regeneration.strategy import Batch, RegenerationStrategy, register


@register
class Forget(RegenerationStrategy):
    """See the module.

    Attributes:
        memorised: bool (n,), which prompts are memorised; None until the first step is taken.
    """

    name = "forget"
    needs = frozenset({Capability.GUIDANCE})

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._detector = MemorisationDetector(batch.first_latents, batch.references, batch.settings)
        self._neutral: Conditioning | None = None
        if batch.settings.neutral:
            with torch.no_grad():
                self._neutral = batch.family.encode([batch.settings.neutral], batch.size)
        self.memorised: torch.Tensor | None = None

    @classmethod
    def check(cls, generation: GenerationSettings, references: int) -> None:
        """See `RegenerationStrategy`."""
        check_guidance(generation)

    def steer(self, prediction: Prediction) -> Prediction:
        """Judge at the first step, and clear what was predicted for memorised prompts."""
        if self.memorised is not None:
            return prediction
        self.memorised = self._detector.detect(prediction.clean)
        if not self.memorised.any():
            return prediction
        return replace(prediction, clean=torch.where(self.memorised[:, None, None, None], 0.0, prediction.clean))

    def condition(self, step: Step, conditioning: Conditioning) -> Conditioning:
        """Let memorised images read the neutral prompt."""
        rows = self.neutral_rows(step.progress)
        return conditioning if rows is None or self._neutral is None else conditioning.replaced(rows, self._neutral)

    def guide(self, step: Step, without: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
        """Change the guidance of memorised images."""
        scales = self.scales(step.progress)
        return prompted if scales is None else rescaled(step, without, prompted, scales)

    def scales(self, progress: float) -> torch.Tensor | None:
        """The guidance scale of every image (n,), NaN where it stays as it is; None where all stay.

        Memorised prompts get opposite guidance until `delay_until`, then none, or that of the neutral prompt.
        """
        if self.memorised is None or not self.memorised.any():
            return None
        settings = self.batch.settings
        if progress < settings.delay_until:
            return torch.where(self.memorised, settings.delay_scale, float("nan"))
        return None if settings.neutral else torch.where(self.memorised, 0.0, float("nan"))

    def neutral_rows(self, progress: float) -> torch.Tensor | None:
        """Where memorised images read the neutral prompt: bool (2n,), those without and those with their prompts.

        First it is what opposite guidance starts from, then it takes the place of the prompt.
        """
        if self.memorised is None or not self.memorised.any():
            return None
        none = torch.zeros_like(self.memorised)
        early = progress < self.batch.settings.delay_until
        return torch.cat([self.memorised, none] if early else [none, self.memorised])
