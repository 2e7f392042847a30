"""Reading the clean image off a model's prediction, and writing another one back, for every kind of scheduler.

The kind of a scheduler is determined from its properties, never from its name.
"""

from typing import Any, Protocol

import torch


class UnsupportedSchedulerError(ValueError):
    """A scheduler whose predicted clean image cannot be read from its model output."""


class Parametrisation(Protocol):
    """How a noisy sample, a model's prediction and the clean image hang together."""

    def levels(self, timestep: torch.Tensor) -> tuple[float, float]:
        """The shares of the clean image and of the noise in the sample at a timestep, each 0 to 1."""

    def clean(self, prediction: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The clean latents (n, C, h, w) that a prediction for a sample amounts to; all float32."""

    def prediction(self, clean: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The reverse: the prediction that amounts to clean latents."""


class VariancePreserving:
    """The sample is `signal * x0 + noise * e`, where the squares of signal and noise sum to one.

    Args:
        scheduler: With `alphas_cumprod`, the square of the signal by timestep.
        kind: What the model predicts: `epsilon` e, `v_prediction` signal * e - noise * x0, or `sample` x0.
    """

    def __init__(self, scheduler: Any, kind: str) -> None:
        self._squares, self._kind = scheduler.alphas_cumprod, kind

    def levels(self, timestep: torch.Tensor) -> tuple[float, float]:
        """See `Parametrisation`."""
        square = self._squares[int(timestep)].item()
        return square**0.5, (1 - square) ** 0.5

    def clean(self, prediction: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """See `Parametrisation`."""
        signal, noise = self.levels(timestep)
        if self._kind == "v_prediction":
            return signal * sample - noise * prediction
        if self._kind == "epsilon":
            return (sample - noise * prediction) / signal
        return prediction

    def prediction(self, clean: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """See `Parametrisation`."""
        signal, noise = self.levels(timestep)
        if self._kind == "v_prediction":
            return (signal * sample - clean) / noise
        if self._kind == "epsilon":
            return (sample - signal * clean) / noise
        return clean


def parametrisation(scheduler: Any) -> Parametrisation:
    """How the predictions that a scheduler steps on are to be read.

    Raises:
        UnsupportedSchedulerError: If that is not known, with which schedulers to use instead.
    """
    kind = scheduler.config.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction", "sample") or not hasattr(scheduler, "alphas_cumprod"):
        raise UnsupportedSchedulerError(
            f"{type(scheduler).__name__} with prediction type {kind!r} cannot be steered; use a scheduler with "
            f"epsilon, v_prediction or sample prediction, such as DPMSolverMultistepScheduler or DDIMScheduler"
        )
    if float(scheduler.init_noise_sigma) != 1:
        raise UnsupportedSchedulerError(
            f"{type(scheduler).__name__} scales its samples by sigma; use DPMSolverMultistepScheduler or DDIMScheduler"
        )
    return VariancePreserving(scheduler, kind)
