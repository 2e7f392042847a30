"""The denoising loop: from noise to latents, and to images, for every family of models."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.family import Capability, ModelFamily
from twig_assets.generation.schedulers import Parametrisation, late, parametrisation
from twig_assets.generation.steering import Prediction, SamplingHook, Step
from twig_assets.settings.generation import GenerationSettings


class NotFiniteError(FloatingPointError):
    """A model that gave NaN or infinity; the message says what to do."""


# The scale before guidance begins. At 1 itself the rows without the prompt would be left out of the batch.
_WITHOUT_EFFECT = 1 + 1e-6


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho and Salimans 2022).

    Attributes:
        scale: 1 turns it off.
        rescale: How far the guided prediction is brought back to the contrast of the unguided one, 0 to 1 (Lin et al.
            2024, arXiv 2305.08891, section 3.4).
        begins: Share of the steps after which it begins, 0 to 1.
    """

    scale: float = 1.0
    rescale: float = 0.0
    begins: float = 0.0

    def scale_at(self, index: int, steps: int) -> float:
        """The scale at the step after `index` of `steps` steps."""
        return _WITHOUT_EFFECT if self.scale > 1 and index < self.begins * steps else self.scale

    def rescaled(self, guided: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
        """A guided prediction brought back to the contrast of the one with the prompt, (n, C, h, w) each."""
        if not self.rescale:
            return guided
        axes = list(range(1, guided.ndim))
        rescaled = guided * (prompted.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True))
        return self.rescale * rescaled + (1 - self.rescale) * guided


@dataclass(frozen=True, eq=False)
class Begin:
    """A drawing that begins late, from a picture with noise over it (SDEdit, Meng et al. 2022, arXiv 2108.01073).

    Attributes:
        clean: The picture's latents, (n, C, h, w).
        index: How many of the steps are left out, at least 0 and less than there are.
    """

    clean: torch.Tensor
    index: int


@torch.no_grad()
def denoise(
    family: ModelFamily,
    conditioning: Conditioning,
    noise: torch.Tensor,
    steps: int,
    guidance: Guidance | None = None,
    hooks: Sequence[SamplingHook] = (),
    generators: Sequence[torch.Generator] | None = None,
    stop: int | None = None,
    unconditional: Conditioning | None = None,
    begin: Begin | None = None,
) -> torch.Tensor:
    """Draw latents from noise.

    Args:
        family: The model.
        conditioning: Of n prompts.
        noise: What it starts from, standard normal (n, C, h, w).
        steps: Denoising steps.
        guidance: None draws without guidance.
        hooks: What changes the drawing, in this order at every step.
        generators: n generators on the CPU, for a scheduler that adds noise at its steps.
        stop: After how many steps, counted from noise alone, to stop; None goes on to the end.
        unconditional: What guidance starts from, n rows; the family's own when None.
        begin: What the noise is laid over, and from which step on it is taken away; None begins with noise alone.

    Returns:
        Latents (n, C, h, w).

    Raises:
        UnsupportedSchedulerError: If there are hooks or `begin`, and the scheduler's clean prediction cannot be read.
        NotFiniteError: If there are hooks, and a prediction is not finite.
    """
    guidance = guidance or Guidance()
    height, width = (side * family.reduction for side in noise.shape[-2:])
    scheduler = family.scheduler(steps, (height, width))
    reading = parametrisation(scheduler) if hooks or begin else None
    # Without classifier-free guidance, or where the scale is an input of the model, there is no second half.
    twice = guidance.scale > 1 and Capability.GUIDANCE in family.capabilities
    if twice:
        if unconditional is None:
            unconditional = family.unconditional(len(noise), (height, width))
        conditioning = Conditioning.joined([unconditional, conditioning])
    latents, timesteps = noise * getattr(scheduler, "init_noise_sigma", 1), scheduler.timesteps
    if begin and reading:
        timesteps = late(scheduler, begin.index)
        latents = reading.noised(begin.clean.to(noise), noise, timesteps[0]).to(noise.dtype)
    whole = len(scheduler.timesteps)
    first = whole - len(timesteps)
    last = None if stop is None else stop * getattr(scheduler, "order", 1) - first
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook.attached())
        for index, timestep in enumerate(timesteps[:last], first):
            scale = guidance.scale_at(index, whole)
            step = Step(index, whole, timestep, scale)
            read = conditioning
            for hook in hooks:
                read = hook.condition(step, read)
            inputs = latents
            if hasattr(scheduler, "scale_model_input"):
                inputs = scheduler.scale_model_input(latents, timestep)
            prediction = _predicted(family, inputs, timestep, read, scale)
            if twice:
                without, prompted = prediction.chunk(2)
                for hook in hooks:
                    prompted = hook.guide(step, without, prompted)
                prediction = guidance.rescaled(family.guided(without, prompted, scale), prompted)
            if reading and hooks:
                prediction = _steered(prediction, latents, step, read.rows(slice(-len(noise), None)), reading, hooks)
            latents = family.step(scheduler, prediction, timestep, latents, generators)
    return latents


def _predicted(
    family: ModelFamily, inputs: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning, scale: float
) -> torch.Tensor:
    """The predictions for n latents with the n or, without the prompts and with them, 2n rows of a conditioning."""
    if len(conditioning) == len(inputs):
        return family.predict(inputs, timestep, conditioning, scale)
    if family.both_at_once:
        return family.predict(torch.cat([inputs, inputs]), timestep, conditioning, scale)
    halves = conditioning.rows(slice(len(inputs))), conditioning.rows(slice(len(inputs), None))
    return torch.cat([family.predict(inputs, timestep, half, scale) for half in halves])


def _steered(
    prediction: torch.Tensor,
    latents: torch.Tensor,
    step: Step,
    conditioning: Conditioning,
    reading: Parametrisation,
    hooks: Sequence[SamplingHook],
) -> torch.Tensor:
    """The prediction that amounts to the clean image as the hooks change it; the very same tensor if they do not."""
    sample = latents.float() * reading.scale(step.timestep)
    clean = reading.clean(prediction.float(), sample, step.timestep)
    if not torch.isfinite(clean).all():
        raise NotFiniteError(
            f"the latents are not finite at step {step.index + 1}; lower guidance_scale, or use bfloat16 or float32"
        )
    before = after = Prediction(step, conditioning, clean, sample, *reading.levels(step.timestep))
    for hook in hooks:
        after = hook.steer(after)
    if after is before:
        return prediction
    return reading.prediction(after.clean, sample, step.timestep).to(prediction.dtype)


def sample(
    family: ModelFamily,
    prompts: Sequence[str] | Conditioning,
    seeds: Sequence[int],
    settings: GenerationSettings,
    noise: torch.Tensor | None = None,
    hooks: Sequence[SamplingHook] = (),
) -> np.ndarray:
    """Draw one batch of images.

    Args:
        family: The model.
        prompts: n prompts, or their conditioning; what the text encoder cannot read of a long prompt is cut off.
        seeds: n seeds, each of its own image's noise.
        settings: The sampler's settings; `batch_size` has no effect.
        noise: What it starts from, (n, C, h, w), in place of the seeds' own noise.
        hooks: What changes the drawing.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        MissingCapabilityError: If there is a negative prompt and the model has no guidance.
        NotFiniteError: If the model produced NaN.
    """
    size = image_size(family, settings)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    # Drawn in any case: what a scheduler draws at its steps must not be the noise that it starts from.
    own = family.starting_noise(generators, size)
    with torch.no_grad():
        conditioning = prompts if isinstance(prompts, Conditioning) else family.encode(prompts, size)
    guidance = Guidance(settings.guidance_scale, settings.guidance_rescale, settings.guidance_from)
    start = own if noise is None else noise
    unconditional = None
    if settings.negative_prompt and settings.guidance_scale > 1:
        family.require(Capability.GUIDANCE, "a negative prompt")
        with torch.no_grad():
            unconditional = family.encode([settings.negative_prompt] * len(seeds), size)
    latents = denoise(
        family, conditioning, start, settings.steps, guidance, hooks, generators, unconditional=unconditional
    )
    images = family.images(latents, generators)
    if not torch.isfinite(images).all():
        named = "an embedding" if isinstance(prompts, Conditioning) else list(prompts)
        raise NotFiniteError(f"the model produced NaN for {named!r}; lower guidance_scale, or use bfloat16 or float32")
    return images.float().mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def image_size(family: ModelFamily, settings: GenerationSettings) -> tuple[int, int]:
    """Height and width in pixels: the settings', or the checkpoint's own.

    Raises:
        ValueError: If a given size is not a multiple of what the model draws in.
    """
    own, factor = family.native_size, family.size_multiple
    height, width = settings.height or own[0], settings.width or own[1]
    if height % factor or width % factor:
        raise ValueError(f"height {height} and width {width} must be multiples of {factor} for this checkpoint")
    return height, width
