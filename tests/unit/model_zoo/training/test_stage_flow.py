"""Training of the flow-matching transformer: where it starts, and what the first generator teaches it."""

from pathlib import Path

import numpy as np
import torch

from twig_assets.model_zoo.padding import T5_TOKENS
from twig_assets.model_zoo.training.stage_diffusion import signal_levels
from twig_assets.model_zoo.training.stage_flow import (
    FlowConfig,
    Student,
    build_teacher,
    build_transformer,
    sample_levels,
    standardised,
)

LEVELS = torch.tensor([0.1, 0.5, 0.9, 1.0])


class _KnowsThePicture(torch.nn.Module):
    """A diffusion model whose prediction is right for one picture."""

    def __init__(self, picture: torch.Tensor) -> None:
        super().__init__()
        self.picture, self.timesteps = picture, torch.empty(0)
        last = torch.nn.Module()
        last.attentions = torch.nn.ModuleList(torch.nn.Identity() for _ in range(2))
        self.up_blocks = torch.nn.ModuleList([torch.nn.Identity(), last])

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


@torch.no_grad()
def test_the_student_predicts_what_the_transformer_does(tmp_path: Path) -> None:
    config = FlowConfig(folder=tmp_path, layers=5, heads=2, width=32)
    transformer = build_transformer(config)
    torch.nn.init.normal_(transformer.proj_out.weight)
    noisy, times = torch.randn(2, 4, 16, 16), LEVELS[:2] * 1000
    tokens, pooled = torch.randn(2, 3, 256), torch.randn(2, 256)
    predicted, told = Student(transformer)(noisy, times, tokens, pooled)
    own = transformer(noisy, tokens, pooled, times, joint_attention_kwargs={"repeats": T5_TOKENS}, return_dict=False)[0]
    assert torch.equal(predicted, own)
    assert [features.shape for features in told] == [(2, 64, 192), (2, 64, 96)]


def test_features_are_standardised_channel_by_channel() -> None:
    features = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1) + 7
    tokens = standardised(features)
    assert tokens.shape == (4, 64, 3)
    torch.testing.assert_close(tokens.mean((0, 1)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(tokens.std((0, 1)), torch.ones(3), atol=0.02, rtol=0)
