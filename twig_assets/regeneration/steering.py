"""Steering a sampler through its predicted clean image, for any scheduler and any prediction type."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from twig_assets.generation import Pipeline

Steer = Callable[[torch.Tensor, float], torch.Tensor]


class UnsupportedSchedulerError(ValueError):
    """A scheduler whose predicted clean image cannot be read from its model output."""


class SteeredScheduler:
    """A scheduler that lets `steer` change the predicted clean latents x0 before each step.

    It stands where the pipeline's own scheduler stands and passes everything else on, so every pipeline that calls
    `scheduler.step` can be steered, Stable Diffusion XL included.
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
        self._prediction = prediction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __len__(self) -> int:
        return len(self._inner)

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """The inner scheduler's step on the model output that belongs to the steered x0."""
        level = self._inner.alphas_cumprod[int(timestep)].to(sample.device, torch.float32)
        signal, noise = level.sqrt(), (1 - level).sqrt()
        clean = self._clean(model_output.float(), sample.float(), signal, noise)
        steered = self._steer(clean, self._progress(timestep))
        if steered is clean:
            return self._inner.step(model_output, timestep, sample, *args, **kwargs)
        output = self._output(steered, sample.float(), signal, noise).to(model_output.dtype)
        return self._inner.step(output, timestep, sample, *args, **kwargs)

    def _progress(self, timestep: Any) -> float:
        index = (self._inner.timesteps == int(timestep)).nonzero()[0].item()
        return index / len(self._inner.timesteps)

    def _clean(
        self, output: torch.Tensor, sample: torch.Tensor, signal: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        if self._prediction == "v_prediction":
            return signal * sample - noise * output
        if self._prediction == "epsilon":
            return (sample - noise * output) / signal
        return output

    def _output(
        self, clean: torch.Tensor, sample: torch.Tensor, signal: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        if self._prediction == "v_prediction":
            return (signal * sample - clean) / noise
        if self._prediction == "epsilon":
            return (sample - signal * clean) / noise
        return clean


def steered(pipeline: Pipeline, steer: Steer) -> Pipeline:
    """The same pipeline, sharing its weights, with a steered scheduler; the given one stays as it is."""
    twin = copy.copy(pipeline)
    twin.scheduler = SteeredScheduler(copy.deepcopy(pipeline.scheduler), steer)
    return twin
