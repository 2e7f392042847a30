"""The segmenter that comes with the package, and what happens when it cannot be opened."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

from twig_assets.model_zoo.load_sam import load_sam, save_sam
from twig_assets.model_zoo.loading import ModelError
from twig_assets.model_zoo.sam_model import SamShape, build_sam

TINY = SamShape(encoder_dim=32, encoder_depth=1, encoder_heads=1, prompt_dim=16, decoder_heads=2, decoder_mlp=32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_sam(build_sam(TINY), TINY, tmp_path / "sam")
    return tmp_path / "sam"


def test_the_packaged_one_is_small_in_evaluation_mode_and_in_float32() -> None:
    sam = load_sam()
    assert not sam.training
    assert {p.dtype for p in sam.parameters()} == {torch.float32}
    assert sum(p.numel() for p in sam.parameters()) <= 3_000_000


@pytest.mark.parametrize("size", [(64, 64), (40, 64), (64, 33), (200, 150), (9, 16)])
def test_masks_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    predictor = SamPredictor(load_sam())
    predictor.set_image(np.full((*size, 3), 120, np.uint8))
    masks, ious, _ = predictor.predict(box=np.array([1, 1, size[1] - 2, size[0] - 2]))
    assert masks.shape == (3, *size)
    assert ious.shape == (3,)


def test_what_was_saved_comes_back_to_half_precision(saved: Path) -> None:
    torch.manual_seed(0)
    before, after = build_sam(TINY), load_sam(saved)
    assert before.state_dict().keys() == after.state_dict().keys()
    for name, value in after.state_dict().items():
        torch.testing.assert_close(value, before.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.*config\.json.*--stage sam"):
        load_sam(tmp_path / "nowhere")


def test_a_folder_of_another_kind_of_model_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(ModelError, match="not an embedded segmenter"):
        load_sam(saved)


@pytest.mark.parametrize("content", ["", "{", "\x00\x01", "[1, 2]", '"sam"', "null"])
def test_a_config_that_is_no_config_is_refused(saved: Path, content: str) -> None:
    (saved / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_sam(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [("encoder_dim", "wide"), ("extra", 1), ("encoder_heads", 5), ("image_size", 0), ("patch_size", 0)],
)
def test_a_config_with_a_wrong_field_is_refused(saved: Path, key: str, value: object) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(ModelError, match=rf"config\.json.*{key}"):
        load_sam(saved)


def test_missing_weights_are_named(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors.*missing"):
        load_sam(saved)


def test_weights_cut_short_are_refused(saved: Path) -> None:
    whole = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_sam(saved)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "encoder_depth": 2}))
    with pytest.raises(ModelError, match="do not fit"):
        load_sam(saved)
