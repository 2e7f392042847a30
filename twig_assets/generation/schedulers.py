"""Reading the clean image off a model's prediction, and writing another one back, for every kind of scheduler.

The kind of a scheduler is determined from its properties, never from its name. There are three kinds of sample:

    variance preserving   s x0 + n e with s^2 + n^2 = 1; what the model sees (DDIM, DPM-Solver, UniPC, LCM, PNDM ...)
    scaled by sigma       x0 + sigma e; the model sees it divided by sqrt(sigma^2 + 1), which is the first kind with
                          s = 1 / sqrt(sigma^2 + 1) (Euler, Heun, LMS, KDPM2; Karras et al. 2022, arXiv 2206.00364)
    flow                  s x0 + n e with s + n = 1; what the model sees (flow matching, Lipman et al. 2023, 2210.02747)

and four kinds of prediction: the noise e, the velocity s e - n x0, the flow's velocity e - x0, and x0 itself.
"""

import copy
from typing import Any

import torch

_KINDS = ("epsilon", "v_prediction", "sample", "flow_prediction")
_INSTEAD = "use another, such as DPMSolverMultistepScheduler or DDIMScheduler"


class UnsupportedSchedulerError(ValueError):
    """A scheduler whose predicted clean image cannot be read from its model output."""


class Parametrisation:
    """How a noisy sample, a model's prediction and the clean image hang together.

    Samples are always as the model sees them, which is `scale` times the scheduler's own.

    Args:
        scheduler: The scheduler; it is asked about the step that it is at, and before its first step about the
            timestep that is given.
        kind: What the model predicts.
        flow: Whether the shares of image and noise sum to one; otherwise their squares do.
        scaled: Whether the scheduler's own samples are scaled by sigma.
    """

    def __init__(self, scheduler: Any, kind: str, flow: bool, scaled: bool) -> None:
        self._scheduler, self._kind, self._flow, self._scaled = scheduler, kind, flow, scaled

    def levels(self, timestep: torch.Tensor) -> tuple[float, float]:
        """The shares of the clean image and of the noise in the sample at a timestep, each 0 to 1."""
        if not hasattr(self._scheduler, "sigmas"):
            square = float(self._scheduler.alphas_cumprod[int(timestep)])
            return square**0.5, (1 - square) ** 0.5
        sigma = (_sigma_by_scale if self._scaled else _sigma)(self._scheduler, timestep)
        if self._flow:
            return 1 - sigma, sigma
        signal = (sigma**2 + 1) ** -0.5
        return signal, sigma * signal

    def scale(self, timestep: torch.Tensor) -> float:
        """What the scheduler's own sample is multiplied by to be what the model sees."""
        return self.levels(timestep)[0] if self._scaled else 1.0

    def noised(self, clean: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The scheduler's own sample at a timestep: clean latents with noise over them, both (n, C, h, w)."""
        signal, level = self.levels(timestep)
        return (signal * clean + level * noise) / self.scale(timestep)

    def clean(self, prediction: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The clean latents (n, C, h, w) that a prediction for a sample amounts to; all float32."""
        signal, noise = self.levels(timestep)
        if self._kind == "v_prediction":
            return signal * sample - noise * prediction
        if self._kind == "epsilon":
            return (sample - noise * prediction) / signal
        if self._kind == "flow_prediction":
            return sample - noise * prediction
        return prediction

    def prediction(self, clean: torch.Tensor, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The reverse: the prediction that amounts to clean latents."""
        signal, noise = self.levels(timestep)
        if self._kind == "v_prediction":
            return (signal * sample - clean) / noise
        if self._kind == "epsilon":
            return (sample - signal * clean) / noise
        if self._kind == "flow_prediction":
            return (sample - clean) / noise
        return clean


def is_flow(scheduler: Any) -> bool:
    """Whether a scheduler steps along a flow: its samples are interpolated between image and noise."""
    config = scheduler.config
    if config.get("prediction_type") == "flow_prediction" or config.get("use_flow_sigmas"):
        return True
    return hasattr(scheduler, "scale_noise") and not hasattr(scheduler, "alphas_cumprod")


def parametrisation(scheduler: Any) -> Parametrisation:
    """How the predictions that a scheduler steps on are to be read.

    Raises:
        UnsupportedSchedulerError: If that is not known, with which schedulers to use instead.
    """
    name, flow = type(scheduler).__name__, is_flow(scheduler)
    kind = scheduler.config.get("prediction_type", "flow_prediction" if flow else "epsilon")
    known = hasattr(scheduler, "sigmas") if flow else hasattr(scheduler, "alphas_cumprod")
    if kind not in _KINDS or not known:
        raise UnsupportedSchedulerError(
            f"{name} with prediction type {kind!r} cannot be steered: the clean image cannot be read off it; {_INSTEAD}"
        )
    if "noise_sampler_seed" in scheduler.config and scheduler.config["noise_sampler_seed"] is None:
        raise UnsupportedSchedulerError(f"{name} adds noise that the images' seeds do not determine; {_INSTEAD}")
    scaling = _scaling(scheduler)
    if scaling == 1:
        return Parametrisation(scheduler, kind, flow, scaled=False)
    if flow or not hasattr(scheduler, "sigmas") or abs(scaling - (float(scheduler.sigmas[0]) ** 2 + 1) ** -0.5) > 1e-6:
        raise UnsupportedSchedulerError(f"{name} scales its samples in a way that is not known here; {_INSTEAD}")
    return Parametrisation(scheduler, kind, flow, scaled=True)


def late(scheduler: Any, skipped: int) -> torch.Tensor:
    """The timesteps that are left after some of the steps, where the scheduler is then ready to begin.

    Args:
        scheduler: Ready for the first of its steps.
        skipped: How many steps to leave out, at least 0. A step has several timesteps where the scheduler calls the
            model between steps.
    """
    if not skipped:
        return scheduler.timesteps
    if scheduler.config.get("skip_prk_steps") is False:  # a Runge-Kutta warm-up can be taken at the beginning only
        scheduler.register_to_config(skip_prk_steps=True)
        scheduler.set_timesteps(scheduler.num_inference_steps, device=scheduler.timesteps.device)
    timesteps, first = scheduler.timesteps, skipped * getattr(scheduler, "order", 1)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    if getattr(scheduler, "order", 1) == 1 and len(timesteps) > 2 and timesteps[1] == timesteps[2]:
        # PNDM takes its second timestep twice, whichever its first is.
        rest = timesteps[1 + first :]
        return torch.cat([rest[:2], rest[1:]])
    return timesteps[first:]


def _scaling(scheduler: Any) -> float:
    """What the scheduler divides out of its sample at its first step, by doing it."""
    if not hasattr(scheduler, "scale_model_input"):
        return 1.0
    tried = copy.deepcopy(scheduler)
    return float(tried.scale_model_input(torch.ones(1, dtype=torch.float64), tried.timesteps[0]))


def _sigma(scheduler: Any, timestep: torch.Tensor) -> float:
    """The noise level of the step that a scheduler is at; before its first step, of the one it would begin with."""
    index = scheduler.step_index
    if index is None:
        index = scheduler.begin_index
    if index is None:
        index = scheduler.index_for_timestep(timestep)
    return float(scheduler.sigmas[index])


def _sigma_by_scale(scheduler: Any, timestep: torch.Tensor) -> float:
    """The same for a scheduler that scales its samples by sigma: the one of its levels by which it does so now.

    Some call the model between two steps, with levels of a table of their own, and count these in their own ways.
    """
    scale = float(scheduler.scale_model_input(torch.ones(1, dtype=torch.float64), timestep))
    index = scheduler.step_index
    levels = [float(scheduler.sigmas[index])]
    if hasattr(scheduler, "sigmas_interpol"):
        levels += [float(scheduler.sigmas_interpol[at]) for at in (index, index - 1)]
    return min(levels, key=lambda level: abs((level**2 + 1) ** -0.5 - scale))
