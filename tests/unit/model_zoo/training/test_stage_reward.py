"""The generator's training by what it draws: what is asked, how it is drawn, what may change, and going on."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from twig_assets.model_zoo import load_pipeline
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, concept_names, held_out
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.model_zoo.training import stage_reward
from twig_assets.model_zoo.training.stage_critic import Critic
from twig_assets.model_zoo.training.stage_reward import (
    RewardConfig,
    disturbed,
    drawn,
    sample_requests,
    train_reward,
)


@pytest.fixture(autouse=True)
def few_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One caption of each thing in place of four: reading them all takes longer than the test."""
    monkeypatch.setattr(stage_reward, "encode_texts", partial(stage_reward.encode_texts, captions=1))


@pytest.fixture
def config(tmp_path: Path) -> RewardConfig:
    torch.manual_seed(0)
    weights = Critic().state_dict()
    torch.save({"average": weights, "step": 1}, tmp_path / "critic.ckpt")
    return RewardConfig(
        folder=tmp_path,
        start_from=WEIGHTS / "pipeline",
        clip=WEIGHTS / "clip",
        batch=2,
        drawn=2,
        sampler_steps=(2, 3),
        views=1,
        steps=2,
        warmup=1,
        save_every=1,
        decay_from=1.0,
    )


def test_nothing_is_asked_for_that_is_held_out(config: RewardConfig) -> None:
    captions, labels = sample_requests(config.model_copy(update={"drawn": 400}), np.random.default_rng(0))
    asked = [(concept_names()[name], STYLES[style]) for name, style, _ in labels.tolist()]
    assert not set(asked) & set(held_out())
    white = labels[:, 2] == list(BACKGROUNDS).index("white")
    assert 140 < white.sum() < 220
    named = [f"{ground} background" in text for text, ground in zip(captions, map(_ground, labels), strict=True)]
    assert sum(named) > 150


def _ground(label: torch.Tensor) -> str:
    return list(BACKGROUNDS)[int(label[2])]


def test_gradients_reach_the_first_step() -> None:
    """The first prediction has no part in the last but through the latents between them."""
    calls: list[torch.Tensor] = []

    class Toy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor([0.1, 0.2, 0.3]))

        def forward(
            self, latents: torch.Tensor, at: torch.Tensor, text: torch.Tensor, return_dict: bool
        ) -> tuple[torch.Tensor]:
            if torch.is_grad_enabled():
                calls.append(at)
            return (self.gain[max(0, len(calls) - 1)] * torch.roll(latents, 1, 3),)

    toy, text = Toy(), torch.zeros(2, 1, 4)
    noise = torch.randn((2, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    drawn(toy, text, text[:1], noise, 3).square().sum().backward()
    assert [int(at[0]) for at in calls] == [999, 666, 332]
    assert (toy.gain.grad != 0).all()


def test_disturbed_pictures_stay_alike() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(2, 3, 64, 64).transpose(2, 3)
    for seed in range(5):
        moved = disturbed(ramp, np.random.default_rng(seed))
        assert moved.shape == ramp.shape
        assert 0.01 < (moved - ramp).abs().mean() < 0.2


def test_only_the_unet_is_trained_and_an_interrupted_training_goes_on(config: RewardConfig) -> None:
    train_reward(config.model_copy(update={"steps": 1}))
    one = torch.load(config.folder / "reward.ckpt", weights_only=True)
    assert one["step"] == 1
    shipped, trained = load_pipeline(), train_reward(config)
    for part in ("vae", "text_encoder"):
        for name, weights in getattr(shipped, part).state_dict().items():
            assert torch.equal(getattr(trained, part).state_dict()[name], weights)
    moved = trained.unet.state_dict()
    for before in (shipped.unet.state_dict(), one["average"]):
        assert any(not torch.equal(weights, moved[name]) for name, weights in before.items())
    done = torch.load(config.folder / "reward.ckpt", weights_only=True)
    for name, weights in shipped.unet.state_dict().items():
        torch.testing.assert_close(moved[name], weights.lerp(done["average"][name], config.kept))
