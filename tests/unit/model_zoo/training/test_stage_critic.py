"""The critic: what it is shown, what it learns, and where it is found again."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.model_zoo.training import stage_critic
from twig_assets.model_zoo.training.stage_critic import CriticConfig, bent, load_critic, train_critic


@pytest.fixture(autouse=True)
def few_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One caption of each thing in place of four: reading them all takes longer than the test."""
    monkeypatch.setattr(stage_critic, "encode_texts", partial(stage_critic.encode_texts, captions=1))


def test_bending_moves_points_a_little_and_leaves_colours_alone() -> None:
    ramp = torch.linspace(0, 1, 64).expand(2, 3, 64, 64)
    moved = bent(ramp, 0.05, np.random.default_rng(0))
    assert moved.shape == ramp.shape
    # Bicubic interpolation passes what it is given by a little.
    assert 0.005 < (moved - ramp).abs().max() < 0.08
    torch.testing.assert_close(bent(ramp, 0.0, np.random.default_rng(0)), ramp, atol=1e-4, rtol=0)


def test_an_interrupted_critic_goes_on_and_is_found_again(tmp_path: Path) -> None:
    pool = tmp_path / "redrawn.npz"
    np.savez(pool, pictures=np.zeros((1, 64, 64, 3), np.uint8), labels=np.array([[3, 1, 2]]))
    config = CriticConfig(
        folder=tmp_path, start_from=WEIGHTS / "clip", batch=4, steps=2, warmup=1, save_every=1, decay_from=1.0
    )
    train_critic(config.model_copy(update={"steps": 1}))
    one = load_critic(tmp_path)
    two = train_critic(config)
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(load_critic(tmp_path)(pictures), two(pictures))
    assert not torch.equal(one.projection.weight, two.projection.weight)
    assert not any(p.requires_grad for p in one.parameters())
    torch.testing.assert_close(one(pictures).norm(dim=-1), torch.ones(2))


def test_a_critic_that_was_not_trained_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"critic\.ckpt is missing; train the stage critic first"):
        load_critic(tmp_path)
