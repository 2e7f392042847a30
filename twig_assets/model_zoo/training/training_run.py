"""What every training stage shares: configuration, learning rate, checkpoints, progress and metrics."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mlflow import MlflowClient
from PIL import Image
from pydantic import BaseModel, Field
from tqdm import tqdm

from twig_assets.files import written_whole


class StageConfig(BaseModel):
    """Settings common to all stages.

    Attributes:
        folder: Where the stage keeps its checkpoint and, at the end, its weights.
        tracking_uri: MLflow server or database that gets metrics and sample grids; none when empty.
        seed: Seeds weights, data order and sampling; the same seed gives the same data order.
        steps: Optimiser steps of one process, those of earlier, interrupted runs included.
        warmup: Steps over which the learning rate rises from zero.
        decay_from: Share of the steps after which the learning rate falls along a cosine to 3 %.
        lr: Peak learning rate.
        save_every: Steps between checkpoints; more is faster, less loses less when interrupted.
    """

    folder: Path
    tracking_uri: str = ""
    seed: int = 0
    steps: int = Field(gt=0)
    warmup: int = 100
    decay_from: float = Field(0.6, ge=0, le=1)
    lr: float = Field(gt=0)
    save_every: int = 500

    def lr_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, flat, then a cosine to 3 % of the peak."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = step / self.steps
        if done < self.decay_from:
            return self.lr
        phase = (done - self.decay_from) / max(1e-9, 1 - self.decay_from)
        return self.lr * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(1.0, phase))))


class TrainingRun:
    """Counts steps, keeps the newest checkpoint and reports; `leader` is the one process that writes."""

    def __init__(self, stage: str, config: StageConfig, leader: bool = True) -> None:
        self.config = config
        self.leader = leader
        self.checkpoint_path = config.folder / f"{stage}.ckpt"
        config.folder.mkdir(parents=True, exist_ok=True)
        self._bar: tqdm | None = None
        self._mlflow: MlflowClient | None = None
        self._run_id = ""
        if leader and config.tracking_uri:
            self._open_mlflow(stage)

    def _open_mlflow(self, stage: str) -> None:
        client = MlflowClient(self.config.tracking_uri)
        known = client.get_experiment_by_name("model-zoo")
        pictures = (self.config.folder / "mlflow").absolute().as_uri()
        experiment = known.experiment_id if known else client.create_experiment("model-zoo", artifact_location=pictures)
        self._run_id = client.create_run(experiment, run_name=stage).info.run_id
        for key, value in self.config.model_dump(mode="json").items():
            client.log_param(self._run_id, key, value)
        self._mlflow = client

    def resume(self) -> dict | None:
        """The newest checkpoint, or None; its key `step` is the first step still to do."""
        if not self.checkpoint_path.exists():
            return None
        return torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)

    def steps(self, first: int) -> Iterator[int]:
        """The steps still to do, with a progress bar."""
        total = self.config.steps
        self._bar = tqdm(
            total=total, initial=first, disable=not self.leader, mininterval=10, desc=self.checkpoint_path.stem
        )
        for step in range(first, total):
            yield step
            self._bar.update()
        self._bar.close()
        if self._mlflow:
            self._mlflow.set_terminated(self._run_id)

    def is_save_step(self, step: int) -> bool:
        """Whether a checkpoint is due after this step."""
        return (step + 1) % self.config.save_every == 0 or step + 1 == self.config.steps

    def save(self, step: int, state: dict) -> None:
        """Replace the checkpoint in one move, so that an interruption leaves the old or the new one."""
        with written_whole(self.checkpoint_path) as partial:
            torch.save({"step": step + 1, **state}, partial)

    def log(self, step: int, **figures: float) -> None:
        """Show figures beside the progress bar and send them to MLflow."""
        if self._bar is not None:
            self._bar.set_postfix({key: f"{value:.4f}" for key, value in figures.items()}, refresh=False)
        if self._mlflow:
            for key, value in figures.items():
                self._mlflow.log_metric(self._run_id, key, value, step=step)

    def grid(self, step: int, images: np.ndarray, columns: int) -> None:
        """Save a sample grid. `images`: uint8 array of shape (n, H, W, 3), n a multiple of `columns`."""
        n, height, width, _ = images.shape
        sheet = images.reshape(n // columns, columns, height, width, 3).swapaxes(1, 2)
        picture = Image.fromarray(sheet.reshape(n // columns * height, columns * width, 3))
        picture.save(self.config.folder / f"{self.checkpoint_path.stem}-samples.png")
        if self._mlflow:
            self._mlflow.log_image(self._run_id, picture, artifact_file=f"samples/{step:07d}.png")


class MovingAverage:
    """Exponential moving average of a module's parameters (Polyak averaging): what is served in the end."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: p.detach().clone() for name, p in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Move the average towards the module's present weights."""
        for name, p in module.state_dict().items():
            if p.is_floating_point():
                self.state[name].lerp_(p, 1 - self.decay)


def to_float(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, H, W, 3) -> float (n, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Float (n, 3, H, W) in [-1, 1] -> uint8 (n, H, W, 3)."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
