"""Training of the flow-matching transformer: where it starts, and what the first generator teaches it."""

from pathlib import Path

import numpy as np
import torch

from twig_assets.model_zoo.training.stage_diffusion import signal_levels
from twig_assets.model_zoo.training.stage_flow import FlowConfig, build_teacher, build_transformer, sample_levels

LEVELS = torch.tensor([0.1, 0.5, 0.9, 1.0])


class _KnowsThePicture(torch.nn.Module):
    """A diffusion model whose prediction is right for one picture."""

    def __init__(self, picture: torch.Tensor) -> None:
        super().__init__()
        self.picture, self.timesteps = picture, torch.empty(0)

    def forward(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, text: object, return_dict: bool
    ) -> tuple[torch.Tensor]:
        # At LEVELS, whatever the timesteps are.
        signal, noise = (part.view(-1, 1, 1, 1) for part in _diffused(LEVELS))
        self.timesteps = timesteps
        return (signal * (noisy - signal * self.picture) / noise - noise * self.picture,)


def _diffused(levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    norm = (levels**2 + (1 - levels) ** 2).sqrt()
    return (1 - levels) / norm, levels / norm


def test_the_taught_velocity_leads_from_the_picture_to_the_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    picture, noise = (torch.randn(4, 4, 8, 8, generator=generator) for _ in range(2))
    noisy = picture.lerp(noise, LEVELS.view(-1, 1, 1, 1))
    taught = build_teacher(_KnowsThePicture(picture)).velocity(noisy, LEVELS, torch.zeros(4, 1, 1))
    torch.testing.assert_close(taught, noise - picture, atol=1e-4, rtol=1e-4)


def test_timesteps_have_the_signal_to_noise_ratio_of_the_flow() -> None:
    model = _KnowsThePicture(torch.zeros(4, 4, 8, 8))
    build_teacher(model).velocity(torch.randn(4, 4, 8, 8), LEVELS, torch.zeros(4, 1, 1))
    signal = np.interp(model.timesteps, np.arange(1000), signal_levels())
    np.testing.assert_allclose(np.sqrt(signal), _diffused(LEVELS)[0], atol=0.01)
    assert (model.timesteps.diff() > 0).all()


def test_levels_cover_the_flow_and_favour_its_middle() -> None:
    levels = sample_levels(20_000, torch.Generator().manual_seed(0))
    quarters = torch.histc(levels, 4, 0, 1)
    assert levels.min() >= 0
    assert levels.max() <= 1
    assert (quarters > 0.05 * 20_000).all()
    assert quarters[1:3].sum() > quarters[[0, 3]].sum()


@torch.no_grad()
def test_an_untrained_transformer_predicts_nothing_and_is_seeded(tmp_path: Path) -> None:
    config = FlowConfig(folder=tmp_path, layers=1, heads=2, width=32)
    made = []
    for _ in range(2):
        torch.manual_seed(config.seed)
        made.append(build_transformer(config))
    predicted = made[0](torch.randn(1, 4, 16, 16), torch.randn(1, 3, 256), torch.randn(1, 256), torch.tensor([500.0]))
    assert predicted.sample.abs().max() == 0
    for own, other in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(own, other)
