"""Stage `critic`: a convolutional image tower in CLIP's space, by which the stage `reward` trains the generator.

It learns what the stage `judge` learns, against the same locked texts, but shares no image tower with the CLIP that
judges a campaign and nothing with the classifier that the benchmarks ask. So a generator that learned to please the
critic alone would please neither of them. It is not shipped.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel, CLIPTokenizer

from twig_assets.model_zoo.classifier import ResidualBlock
from twig_assets.model_zoo.training.redrawn import redrawn_views
from twig_assets.model_zoo.training.stage_judge import JudgeConfig, choice_loss, encode_texts, sample_views
from twig_assets.model_zoo.training.training_run import MovingAverage, TrainingRun, to_float


class CriticConfig(JudgeConfig):
    """Settings of the critic: those of the stage `judge`, and two of its own.

    Attributes:
        bent_share: Share of the pictures that are bent.
        bend: By how much at most, as a share of the picture's side.
    """

    steps: int = 3500
    lr: float = 2e-3
    batch: int = 48
    redrawn_share: float = 0.45
    temperature: float | None = 23.0
    seed: int = 77
    bent_share: float = 0.5
    bend: float = 0.05


class Critic(torch.nn.Module):
    """Pictures -> vectors of CLIP's space.

    Args:
        widths: Of the stages; each halves the picture.
        depths: Residual blocks of each stage.
        dimensions: Of the space.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (40, 96, 160, 256),
        depths: tuple[int, ...] = (1, 2, 2, 1),
        dimensions: int = 128,
    ) -> None:
        super().__init__()
        parts: list[torch.nn.Module] = []
        for before, width, depth in zip((3, *widths[:-1]), widths, depths, strict=True):
            halve = torch.nn.Conv2d(before, width, 4, stride=2, padding=1, bias=False)
            parts += [halve, torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
            parts += [ResidualBlock(width) for _ in range(depth)]
        self.trunk = torch.nn.Sequential(*parts)
        self.projection = torch.nn.Linear(widths[-1], dimensions, bias=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Float (n, 3, H, W) in [-1, 1] -> unit vectors (n, dimensions)."""
        return F.normalize(self.projection(self.trunk(pictures).mean((2, 3))).float(), dim=-1)


def bent(pictures: torch.Tensor, most: float, rng: np.random.Generator) -> torch.Tensor:
    """Pictures whose every point is moved a little, neighbours alike, as a generator bends what it draws.

    Args:
        pictures: Float (n, 3, H, W).
        most: How far at most, as a share of the side.
        rng: Source of the displacements.

    Returns:
        Float of the same shape; the edge is drawn out.
    """
    coarse = torch.from_numpy(rng.uniform(-most, most, size=(len(pictures), 2, 4, 4)).astype(np.float32))
    # The grid's coordinates run over 2 from edge to edge.
    moved = 2 * F.interpolate(coarse, size=pictures.shape[2:], mode="bicubic", align_corners=True)
    straight = F.affine_grid(torch.eye(2, 3).expand(len(pictures), -1, -1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, straight + moved.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def train_critic(config: CriticConfig) -> Critic:
    """Train, or go on from the checkpoint, and return the averaged critic in evaluation mode."""
    source = config.start_from or config.folder / "clip"
    clip = CLIPModel.from_pretrained(source, dtype=torch.float32)
    texts = encode_texts(clip, CLIPTokenizer.from_pretrained(source), config.seed)
    scale = config.temperature or float(clip.logit_scale.detach().exp())
    torch.manual_seed(config.seed)
    critic = Critic().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(critic.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.05)
    average = MovingAverage(critic, 0.996)
    run = TrainingRun("critic", config)
    pool = redrawn_views(config.folder / "redrawn.npz", config.redrawn, config.depth, config.scale, config.seed)
    first = 0
    if state := run.resume():
        critic.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
    for step in run.steps(first):
        rng = np.random.default_rng((config.seed, 9, step))
        views, labels = sample_views(config, rng, pool)
        pictures = to_float(views)
        chosen = torch.from_numpy(rng.random((len(pictures), 1, 1, 1)) < config.bent_share)
        pictures = torch.where(chosen, bent(pictures, config.bend, rng), pictures)
        for group in optimiser.param_groups:
            group["lr"] = config.lr_at(step)
        with torch.autocast("cpu", torch.bfloat16):
            seen = critic(pictures.to(memory_format=torch.channels_last))
        losses = choice_loss(seen.float(), labels, texts, scale, config)
        optimiser.zero_grad()
        (losses["name"] + config.side_weight * (losses["style"] + losses["ground"])).backward()
        torch.nn.utils.clip_grad_norm_(critic.parameters(), 2.0)
        optimiser.step()
        average.update(critic)
        if step % 50 == 0:
            run.log(step, **{name: loss.item() for name, loss in losses.items()})
        if run.is_save_step(step):
            run.save(
                step, {"model": critic.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state}
            )
    critic.load_state_dict(average.state)
    return critic.eval()


def load_critic(folder: Path) -> Critic:
    """The critic that the stage left in its folder, in evaluation mode, not to be trained.

    Raises:
        FileNotFoundError: If there is none yet.
    """
    path = folder / "critic.ckpt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; train the stage critic first")
    critic = Critic()
    critic.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"])
    return critic.eval().requires_grad_(False)
