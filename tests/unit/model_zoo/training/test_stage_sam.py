"""Training of the segmenter: the examples it gets, the arithmetic it shares with the library, and going on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from twig_assets.model_zoo.load_sam import SAM_DIR, load_sam
from twig_assets.model_zoo.sam_model import build_sam
from twig_assets.model_zoo.scenes import scene, training_concepts
from twig_assets.model_zoo.training.stage_sam import SamConfig, decode, mask_loss, narrowed, sample_examples, train_sam


@pytest.fixture
def config(tmp_path: Path) -> SamConfig:
    return SamConfig(folder=tmp_path, batch=2, points=2, boxes=1, steps=2, warmup=1, save_every=1, checked=1)


def test_point_prompts_lie_on_what_they_ask_for(config: SamConfig) -> None:
    examples = sample_examples(config, np.random.default_rng(0))
    assert examples.targets.shape == (2, config.points + config.boxes, 64, 64)
    for i in range(2):
        for k in range(config.points):
            x, y = examples.points[i, k, 0].long()
            assert examples.targets[i, k, y, x]


def test_a_narrowed_scene_has_nothing_outside_its_frame() -> None:
    rng = np.random.default_rng(4)
    cut = [narrowed(scene(rng, training_concepts()), rng) for _ in range(10)]
    assert any(not frame.all() for _, frame in cut)
    assert all(not (drawn.masks & ~frame).any() and not (drawn.ground & ~frame).any() for drawn, frame in cut)


def test_decoding_many_prompts_at_once_gives_what_the_library_gives() -> None:
    torch.manual_seed(0)
    sam = build_sam().eval()
    embedding = torch.randn(1, sam.prompt_encoder.embed_dim, 16, 16)
    sparse, dense = sam.prompt_encoder((torch.rand(3, 1, 2) * 64, torch.ones(3, 1)), None, None)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense)
        found = decode(sam, embedding.repeat_interleave(3, 0) + dense, sparse)
    torch.testing.assert_close(found[0], wanted[0].float(), rtol=0.05, atol=0.01)
    torch.testing.assert_close(found[1], wanted[1].float(), rtol=0.05, atol=0.01)


def test_the_right_masks_cost_less_than_the_wrong_ones(config: SamConfig) -> None:
    targets = sample_examples(config, np.random.default_rng(1)).targets
    logits = (targets[:, :, None].float() * 20 - 10).expand(-1, -1, 4, -1, -1)
    rating = torch.ones(logits.shape[:3])
    right, figures = mask_loss(config, logits, rating, targets)
    wrong, _ = mask_loss(config, -logits, rating, targets)
    assert right < 0.01
    assert wrong > 1
    assert figures["boxes"] == pytest.approx(1)


def test_an_interrupted_training_goes_on_to_the_same_weights(config: SamConfig, tmp_path: Path) -> None:
    whole = train_sam(config)
    parts = config.model_copy(update={"folder": tmp_path / "parts"})
    # Ending after one step leaves what an interruption after the first of two would.
    train_sam(parts.model_copy(update={"steps": 1}))
    again = train_sam(parts)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-5)


def test_training_starts_from_the_given_weights(config: SamConfig) -> None:
    barely = config.model_copy(update={"steps": 1, "lr": 1e-9, "start_from": SAM_DIR})
    shipped, trained = load_sam().state_dict(), train_sam(barely).state_dict()
    for name, weights in shipped.items():
        torch.testing.assert_close(trained[name], weights, rtol=0, atol=1e-5)
