"""Weights that are not there, or not whole, are seen without reading them."""

import json

import pytest
import torch
from safetensors.torch import save_file

from twig_assets.generation.weight_files import file_problem, folder_problems


@pytest.fixture
def folder(tmp_path):
    """A pipeline's folder with the weights of one network, in two files."""
    part = tmp_path / "unet"
    part.mkdir()
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for i, name in enumerate(names):
        save_file({f"weight_{i}": torch.zeros(8, 8)}, part / name)
    index = {"metadata": {}, "weight_map": {f"weight_{i}": name for i, name in enumerate(names)}}
    (part / "model.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


def test_whole_files_are_as_long_as_their_headers_say(folder):
    assert folder_problems(folder, ["unet"]) == []


def test_a_file_that_was_cut_off_is_named_with_its_length(folder):
    file = folder / "unet" / "model-00002-of-00002.safetensors"
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-30])
    [problem] = folder_problems(folder, ["unet"])
    assert problem == f"{file}: has {whole - 30} bytes of {whole}; download or save it again"


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 40])
def test_what_is_no_safetensors_file_is_named(tmp_path, content):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    assert str(file) in (file_problem(file) or "")


def test_a_part_that_the_index_names_and_a_component_without_weights_are_missing(folder):
    (folder / "unet" / "model-00001-of-00002.safetensors").unlink()
    (folder / "vae").mkdir()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    part, component = folder_problems(folder, ["unet", "vae"])
    assert "model-00001-of-00002.safetensors is missing" in part
    assert f"{folder / 'vae'}: there is no .safetensors file" in component


def test_only_the_variant_that_is_read_has_to_be_whole(folder):
    (folder / "unet" / "model-00001-of-00002.safetensors").unlink()
    save_file({"weight": torch.zeros(2)}, folder / "unet" / "model.fp16.safetensors")
    assert folder_problems(folder, ["unet"], "fp16") == []
    assert len(folder_problems(folder, ["unet"])) == 1
