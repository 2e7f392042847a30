"""The strategy `forget`: memorised prompts lose the words that bring their picture back; others are left alone."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from twig_assets.generation import Conditioning
from twig_assets.generation.schedulers import parametrisation
from twig_assets.generation.steering import Prediction, Step
from twig_assets.regeneration.memorisation import MemorisationDetector, shown
from twig_assets.regeneration.strategy import Batch, RegenerationStrategy, register
from twig_assets.regeneration.trigger_words import without_triggers


@register
class Forget(RegenerationStrategy):
    """See the module.

    The words are looked for at the first step, by one prediction for every word of a memorised prompt. The image is
    then drawn as if its prompt had been without them from the beginning. It needs no guidance and no attention, only
    text that is changed, and so works with distilled models as well.

    Attributes:
        memorised: bool (n,), which prompts are memorised; None until the first step is taken.
        read: n prompts, as they are drawn; those of memorised images without their trigger.
    """

    name = "forget"

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._detector = MemorisationDetector(batch.first_latents, batch.references, batch.settings)
        self._text: Conditioning | None = None
        self.memorised: torch.Tensor | None = None
        self.read = list(batch.prompts)

    def steer(self, prediction: Prediction) -> Prediction:
        """Judge at the first step, and predict again for memorised prompts, without their trigger."""
        if self.memorised is not None:
            return prediction
        evidence = torch.from_numpy(self.batch.evidence).to(prediction.clean.device)
        self.memorised = self._detector.detect(prediction.clean) | evidence
        if not self.memorised.any():
            return prediction
        first = _FirstStep(self.batch, prediction)
        self._read_without_triggers(first, self.memorised.nonzero().flatten().tolist())
        changed = [i for i, prompt in enumerate(self.batch.prompts) if self.read[i] != prompt]
        if not changed:
            return prediction
        self._text = self.batch.family.encode(self.read, self.batch.size)
        clean = prediction.clean.clone()
        clean[changed] = first.clean(changed, self._text.rows(changed))
        return replace(prediction, clean=clean)

    def condition(self, step: Step, conditioning: Conditioning) -> Conditioning:
        """Let memorised images read their prompts without the trigger."""
        if self._text is None or self.memorised is None:
            return conditioning
        halves = len(conditioning) // len(self._text)
        none = torch.zeros_like(self.memorised)
        chosen = torch.cat([none] * (halves - 1) + [self.memorised])
        return conditioning.replaced(chosen, Conditioning.joined([self._text] * halves))

    def _read_without_triggers(self, first: "_FirstStep", images: list[int]) -> None:
        family, size = self.batch.family, self.batch.size
        pictures = [self._detector.brought_back(first.predicted(image), image) for image in images]

        def much(at: Sequence[int], texts: Sequence[str]) -> list[float]:
            clean = first.clean([images[k] for k in at], family.encode(texts, size))
            return [float(shown(each[None], pictures[k]).max()) for k, each in zip(at, clean, strict=True)]

        read = without_triggers([self.batch.prompts[image] for image in images], much, self.batch.settings.trigger)
        for image, text in zip(images, read, strict=True):
            self.read[image] = text


class _FirstStep:
    """What the model predicts at the first step with other texts.

    Args:
        batch: Whose images are drawn.
        prediction: The prediction with the prompts.
    """

    def __init__(self, batch: Batch, prediction: Prediction) -> None:
        self._family, self._prediction = batch.family, prediction
        self._reading = parametrisation(batch.family.scheduler(batch.generation.steps, batch.size))

    def predicted(self, image: int) -> torch.Tensor:
        """The clean latents (1, C, h, w) predicted with one image's own prompt."""
        return self._prediction.clean[image, None]

    @torch.no_grad()
    def clean(self, images: Sequence[int], texts: Conditioning) -> torch.Tensor:
        """The clean latents (k, C, h, w) predicted from the samples of k images with as many rows of texts."""
        step, sample = self._prediction.step, self._prediction.sample[list(images)]
        predicted = self._family.predict(sample.to(self._family.dtype), step.timestep, texts, step.guidance_scale)
        return self._reading.clean(predicted.float(), sample, step.timestep)
