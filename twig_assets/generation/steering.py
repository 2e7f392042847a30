"""Changing a drawing while it is made: hooks that the denoising loop calls at every step."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from twig_assets.generation.conditioning import Conditioning


@dataclass(frozen=True, eq=False)
class Step:
    """One denoising step.

    Attributes:
        index: Steps taken so far.
        steps: Steps in all.
        timestep: The scheduler's timestep, a scalar.
        guidance_scale: The scale of classifier-free guidance at this step, 1 where there is none.
    """

    index: int
    steps: int
    timestep: torch.Tensor
    guidance_scale: float = 1.0

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 at the first."""
        return self.index / self.steps


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model predicts at one step, guidance included.

    Attributes:
        step: The step.
        conditioning: Of the n prompts, as the denoiser read it at this step.
        clean: Predicted clean latents x0, float32 (n, C, h, w).
        sample: The noisy latents they were predicted from as the denoiser saw them, `signal * x0 + noise * e`, float32
            of the same shape.
        signal: Share of the clean image in `sample`, 0 to 1.
        noise: Share of the noise, 0 to 1.
    """

    step: Step
    conditioning: Conditioning
    clean: torch.Tensor
    sample: torch.Tensor
    signal: float
    noise: float


# Gives back the very same prediction where nothing is to change, or one with other clean latents.
Steer = Callable[[Prediction], Prediction]


class SamplingHook:
    """What can be changed while a batch of n images is drawn; every method may be overridden, and none has to be."""

    def attached(self) -> AbstractContextManager[None]:
        """A context manager that is entered around the whole drawing."""
        return nullcontext()

    def condition(self, step: Step, conditioning: Conditioning) -> Conditioning:
        """What the denoiser reads at a step.

        Args:
            step: The step.
            conditioning: With guidance 2n rows: those of the n images without their prompts, then those with them.
                Without guidance the n rows of the prompts.
        """
        return conditioning

    def guide(self, step: Step, without: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
        """What guidance takes as the prediction with the prompt; called with guidance only.

        Args:
            step: The step.
            without: The predictions without the prompts, (n, C, h, w).
            prompted: Those with the prompts, of the same shape.
        """
        return prompted

    def steer(self, prediction: Prediction) -> Prediction:
        """The prediction to step on: the very same object where nothing is to change."""
        return prediction


class Steering(SamplingHook):
    """A hook that does nothing but change the prediction.

    Args:
        steer: What it becomes.
    """

    def __init__(self, steer: Steer) -> None:
        self._steer = steer

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        return self._steer(prediction)
