"""The second training of CLIP's image tower: what it sees, and what it is asked to choose."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.model_zoo import load_pipeline
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, sprites, view
from twig_assets.model_zoo.training.redrawn import redrawn, redrawn_views
from twig_assets.model_zoo.training.stage_judge import JudgeConfig, Texts, choice_loss, sample_views


def test_a_view_that_is_redrawn_from_little_noise_stays_the_same_picture() -> None:
    rng = np.random.default_rng(5)
    images = np.stack(
        [view(sprites()["penguin", "noto"], rng, (0.8, 0.9), ground).image for ground in ("blue", "pink")]
    )
    captions = [f"a penguin, noto style on a {ground} background" for ground in ("blue", "pink")]
    near, far = (redrawn(load_pipeline(), images, captions, depth, rng) for depth in (0.0, 0.9))
    assert near.shape == images.shape
    error = [np.abs(pictures.astype(int) - images).mean() for pictures in (near, far)]
    assert error[0] < 10 < error[1]


def test_the_pool_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    pictures, labels = redrawn_views(tmp_path / "pool.npz", 3, (0.1, 0.2), (0.5, 0.9), 0)
    assert (pictures.shape, pictures.dtype, labels.shape) == ((3, 64, 64, 3), np.uint8, (3, 3))
    again = redrawn_views(tmp_path / "pool.npz", 3, (0.9, 1.0), (0.5, 0.9), 7)
    assert np.array_equal(again[0], pictures)


def test_views_come_from_art_from_works_with_a_content_and_from_the_pool(tmp_path: Path) -> None:
    red = np.zeros((1, 64, 64, 3), np.uint8)
    red[..., 0] = 200
    pool = red, np.array([[3, 1, 2]])
    config = JudgeConfig(folder=tmp_path, batch=64, redrawn_share=0.5, content_share=0.2, roughened_share=0.0)
    pictures, labels = sample_views(config, np.random.default_rng(1), pool)
    of_pool = np.array([np.array_equal(picture, red[0]) for picture in pictures])
    assert 10 < of_pool.sum() < 45
    assert {tuple(label) for label in labels[of_pool].tolist()} == {(3, 1, 2)}
    assert (labels[:, 2] == -1).any(), "a work with a content has a ground of no name"


def test_the_loss_is_least_where_the_picture_is_its_own_caption() -> None:
    generator = torch.Generator().manual_seed(0)
    names = 5
    texts = Texts(F.normalize(torch.randn(names, len(STYLES), len(BACKGROUNDS), 16, generator=generator), dim=-1))
    labels = torch.tensor([[0, 1, 2], [3, 0, -1]])
    right = torch.stack([texts.named[0, 1, 2], F.normalize(texts.named[3, 0].mean(0), dim=-1)])
    config = JudgeConfig(folder=Path(), label_smoothing=0.0)
    own, other = (choice_loss(seen, labels, texts, 20.0, config)["name"] for seen in (right, right.flip(0)))
    assert own < 0.2 < other
