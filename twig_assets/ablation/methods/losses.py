"""The two objectives of Kumari et al. 2023 (arXiv 2303.13516, equations 4 and 5) and their regulariser."""

from typing import Any

import torch
from diffusers import DDPMScheduler

from twig_assets.ablation.errors import TrainingError
from twig_assets.generation import Pipeline


class Diffusion:
    """The forward process of a checkpoint, and what its UNet is to predict.

    Args:
        pipeline: Whose noise schedule and kind of prediction.

    Raises:
        TrainingError: If the model predicts something else than the noise or the velocity.
    """

    def __init__(self, pipeline: Pipeline):
        self.scheduler: Any = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.kind: str = self.scheduler.config.prediction_type
        self.steps: int = self.scheduler.config.num_train_timesteps
        if self.kind not in ("epsilon", "v_prediction"):
            raise TrainingError(f"a model that predicts {self.kind!r} cannot be tuned; epsilon or v_prediction can")

    def noisy(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """x_t of x_0 and the noise; all (n, C, h, w), timesteps (n,)."""
        return self.scheduler.add_noise(clean, noise, timesteps)

    def truth(self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What a perfect UNet would predict: the noise or the velocity (Salimans and Ho 2022).

        The reference code's regulariser takes the noise for both, which teaches a velocity model nonsense.
        """
        return noise if self.kind == "epsilon" else self.scheduler.get_velocity(clean, noise, timesteps)


def squared_error(prediction: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared difference as a scalar, in float32; no gradient flows into what is wanted (the paper's sg)."""
    return torch.nn.functional.mse_loss(prediction.float(), wanted.detach().float())
