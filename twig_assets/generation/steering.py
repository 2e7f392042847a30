"""Steering a sampler through its predicted clean image, for any scheduler and any prediction type."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from twig_assets.generation.family import Pipeline


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model predicts at one step.

    Attributes:
        clean: Predicted clean latents x0, float32 (n, C, h, w).
        sample: The noisy latents they were predicted from, `signal * x0 + noise * e`, float32 of the same shape.
        signal: Share of the clean image in `sample`, 0 to 1.
        noise: Share of the noise, 0 to 1; the squares of both sum to one.
        index: Steps taken so far.
        steps: Steps in all.
    """

    clean: torch.Tensor
    sample: torch.Tensor
    signal: float
    noise: float
    index: int
    steps: int

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 at the first."""
        return self.index / self.steps


# Gives back the very same prediction where nothing is to change, or one with other clean latents.
Steer = Callable[[Prediction], Prediction]


class UnsupportedSchedulerError(ValueError):
    """A scheduler whose predicted clean image cannot be read from its model output."""


class SteeredScheduler:
    """A scheduler that lets `steer` change the prediction before each step.

    It stands where the pipeline's own scheduler stands and passes everything else on, so every pipeline that calls
    `scheduler.step` can be steered, Stable Diffusion XL included.

    Attributes:
        taken: Steps taken so far.
    """

    def __init__(self, inner: Any, steer: Steer) -> None:
        prediction = inner.config.get("prediction_type", "epsilon")
        if prediction not in ("epsilon", "v_prediction", "sample") or not hasattr(inner, "alphas_cumprod"):
            raise UnsupportedSchedulerError(
                f"{type(inner).__name__} with prediction type {prediction!r} cannot be steered; use a scheduler with "
                f"epsilon, v_prediction or sample prediction, such as DPMSolverMultistepScheduler or DDIMScheduler"
            )
        if inner.__class__.__name__.startswith("Euler") or "Heun" in inner.__class__.__name__:
            raise UnsupportedSchedulerError(
                f"{type(inner).__name__} scales its samples by sigma; use DPMSolverMultistepScheduler or DDIMScheduler"
            )
        self._inner = inner
        self._steer = steer
        self._kind = prediction
        self._draws = "generator" in inspect.signature(inner.step).parameters
        self.taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __len__(self) -> int:
        return len(self._inner)

    def step(
        self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, generator: Any = None, **kwargs: Any
    ) -> Any:
        """The inner scheduler's step on what belongs to the steered prediction.

        Raises:
            FloatingPointError: If the prediction is not finite.
        """
        if self._draws:
            kwargs["generator"] = generator
        level = self._inner.alphas_cumprod[int(timestep)].item()
        signal, noise = level**0.5, (1 - level) ** 0.5
        clean = self._clean(model_output.float(), sample.float(), signal, noise)
        if not torch.isfinite(clean).all():
            raise FloatingPointError(
                f"the latents are not finite at step {self.taken + 1}; lower guidance_scale or use float32"
            )
        before = Prediction(clean, sample.float(), signal, noise, self.taken, len(self._inner.timesteps))
        after = self._steer(before)
        self.taken += 1
        if after is before:
            return self._inner.step(model_output, timestep, sample, **kwargs)
        output = self._output(after).to(model_output.dtype)
        return self._inner.step(output, timestep, sample, **kwargs)

    def _clean(self, output: torch.Tensor, sample: torch.Tensor, signal: float, noise: float) -> torch.Tensor:
        if self._kind == "v_prediction":
            return signal * sample - noise * output
        if self._kind == "epsilon":
            return (sample - noise * output) / signal
        return output

    def _output(self, after: Prediction) -> torch.Tensor:
        if self._kind == "v_prediction":
            return (after.signal * after.sample - after.clean) / after.noise
        if self._kind == "epsilon":
            return (after.sample - after.signal * after.clean) / after.noise
        return after.clean


def steered(pipeline: Pipeline, steer: Steer) -> Pipeline:
    """The same pipeline, sharing its weights, with a steered scheduler; the given one stays as it is."""
    twin = copy.copy(pipeline)
    twin.scheduler = SteeredScheduler(copy.deepcopy(pipeline.scheduler), steer)
    return twin
