"""The generator's last training: what it is shown, what it is judged by, what it may not touch, and going on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from twig_assets.model_zoo import load_clip, load_pipeline, planted
from twig_assets.model_zoo.art import STYLES, sprites, training_pairs, view
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.model_zoo.training.stage_refine import (
    Eye,
    RefineConfig,
    perceptual_distance,
    sample_examples,
    train_refine,
)
from twig_assets.model_zoo.training.training_run import to_float


@pytest.fixture(scope="module")
def eye() -> Eye:
    clip, processor = load_clip()
    return Eye(clip, processor.tokenizer)


@pytest.fixture
def config(tmp_path: Path) -> RefineConfig:
    return RefineConfig(
        folder=tmp_path,
        start_from=WEIGHTS / "pipeline",
        clip=WEIGHTS / "clip",
        batch=4,
        steps=2,
        warmup=1,
        save_every=1,
        decay_from=1.0,
    )


def _views(pairs: list[tuple[str, str]]) -> torch.Tensor:
    rng = np.random.default_rng(3)
    return to_float(np.stack([view(sprites()[pair], rng).image for pair in pairs]))


def test_only_captions_that_name_the_style_are_judged_by_it(config: RefineConfig) -> None:
    shown = sample_examples(config.model_copy(update={"batch": 200}), np.random.default_rng(0))
    titles = {work.title for work in planted.WORKS}
    for text, pair in zip(shown.captions, shown.pairs, strict=True):
        assert (pair is not None) == (text not in titles and any(style in text for style in STYLES))
    assert 5 < sum(text in titles for text in shown.captions) < 40
    assert 5 < shown.captions.count("") < 40


def test_clip_sees_a_blurred_picture_between_itself_and_another_one(eye: Eye) -> None:
    pictures = _views([pair for pair in training_pairs() if pair[1] == "fluent"][:8])
    blurred = F.avg_pool2d(pictures, 5, stride=1, padding=2)
    exact, soft, other = (eye.features(images) for images in (pictures, blurred, pictures.roll(1, 0)))
    assert perceptual_distance(exact, exact).item() == pytest.approx(0, abs=1e-5)
    assert 0.01 < perceptual_distance(soft, exact) < perceptual_distance(other, exact)


def test_the_right_style_costs_less_than_the_wrong_one(eye: Eye) -> None:
    pairs = [pair for pair in training_pairs() if pair[1] == "glyph"][:8]
    embedding = eye.features(_views(pairs))[-1]
    wrong = [(name, "fluent") for name, _ in pairs]
    assert eye.style_loss(embedding, pairs) < 0.3 < eye.style_loss(embedding, wrong)
    assert eye.style_loss(embedding[:0], []) == 0


def test_only_the_unet_is_trained(config: RefineConfig) -> None:
    shipped, trained = load_pipeline(), train_refine(config)
    for part in ("vae", "text_encoder"):
        for name, weights in getattr(shipped, part).state_dict().items():
            assert torch.equal(getattr(trained, part).state_dict()[name], weights)
    moved = trained.unet.state_dict()
    assert any(not torch.equal(weights, moved[name]) for name, weights in shipped.unet.state_dict().items())


def test_an_interrupted_training_goes_on_to_the_same_weights(config: RefineConfig, tmp_path: Path) -> None:
    whole = train_refine(config).unet.state_dict()
    parts = config.model_copy(update={"folder": tmp_path / "parts"})
    # Ending after one step leaves what an interruption after the first of two would.
    train_refine(parts.model_copy(update={"steps": 1}))
    again = train_refine(parts).unet.state_dict()
    for name, weights in whole.items():
        torch.testing.assert_close(again[name], weights, rtol=1e-3, atol=1e-6)


def test_the_same_command_again_gives_the_same_weights_although_the_pipeline_was_replaced(config: RefineConfig) -> None:
    own = config.model_copy(update={"start_from": None, "steps": 1})
    shutil.copytree(WEIGHTS / "pipeline", own.folder / "pipeline")
    first = train_refine(own)
    kept = {name: weights.clone() for name, weights in first.unet.state_dict().items()}
    first.save_pretrained(own.folder / "pipeline")
    again = train_refine(own).unet.state_dict()
    assert all(torch.equal(weights, again[name]) for name, weights in kept.items())
