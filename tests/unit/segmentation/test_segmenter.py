"""Opening segmenters of every kind, and what happens when that fails."""

import pickle
from pathlib import Path

import pytest
import torch
from segment_anything import sam_model_registry

from twig_assets.model_zoo.loading import ModelError
from twig_assets.segmentation import load_segmenter, segmenter_device

WIDTH_KEY = "image_encoder.patch_embed.proj.weight"


def test_the_embedded_one_opens_without_a_checkpoint() -> None:
    sam = load_segmenter("embedded")
    assert sam.image_encoder.img_size == 64
    assert not sam.training


def test_a_real_vit_b_checkpoint_opens(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in sam_model_registry["vit_b"]().state_dict().items()}
    # One stored number stands for each tensor: a file of 375 MB would tell no more.
    torch.save({name: torch.full((1,), 0.25).expand(shape) for name, shape in shapes.items()}, tmp_path / "b.pth")
    sam = load_segmenter("vit_b", tmp_path / "b.pth")
    assert sam.image_encoder.img_size == 1024
    assert not sam.training
    assert sam.mask_decoder.iou_token.weight[0, 0] == 0.25


def test_a_checkpoint_of_another_size_is_refused_and_named(tmp_path: Path) -> None:
    torch.save({WIDTH_KEY: torch.zeros(1024, 1, 1, 1)}, tmp_path / "l.pth")
    with pytest.raises(ModelError, match=r"l\.pth: not a vit_b checkpoint; it is a vit_l"):
        load_segmenter("vit_b", tmp_path / "l.pth")


def test_a_checkpoint_without_all_weights_is_refused(tmp_path: Path) -> None:
    torch.save({WIDTH_KEY: torch.zeros(768, 3, 16, 16)}, tmp_path / "b.pth")
    with pytest.raises(ModelError, match=r"b\.pth: weights of a vit_b are missing"):
        load_segmenter("vit_b", tmp_path / "b.pth")


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="not a Segment Anything checkpoint"):
        load_segmenter("vit_b", tmp_path / "other.pth")


def test_a_list_of_weights_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="something else than named weights"):
        load_segmenter("vit_h", tmp_path / "list.pth")


def test_a_file_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ModelError, match="not a readable file of plain weights"):
        load_segmenter("vit_b", tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"PK\x03\x04 half a zip"])
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.pth"):
        load_segmenter("vit_b", tmp_path / "bad.pth")


def test_a_missing_file_a_missing_path_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.pth: no such checkpoint"):
        load_segmenter("vit_l", tmp_path / "gone.pth")
    with pytest.raises(ModelError, match="needs a checkpoint"):
        load_segmenter("vit_l")
    with pytest.raises(ModelError, match="no such checkpoint"):
        load_segmenter("vit_l", tmp_path)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="vit_x.*embedded, vit_b"):
        load_segmenter("vit_x")  # type: ignore[arg-type]


def test_an_embedded_checkpoint_elsewhere_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no segmenter here"):
        load_segmenter("embedded", tmp_path / "none")


def test_a_large_segmenter_computes_where_the_campaigns_model_does(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert segmenter_device("vit_b", "cuda:1") == "cuda:1"
    assert segmenter_device("vit_b", None) == "cuda"
    assert segmenter_device("vit_b", "cpu") == segmenter_device("embedded", "cuda") == "cpu"
    assert next(load_segmenter("embedded", device="cpu").parameters()).device.type == "cpu"
