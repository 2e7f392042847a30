import json
import shutil

import pytest
import torch

from twig_assets.generation import CheckpointError, fingerprint, load_checkpoint
from twig_assets.model_zoo import ModelError, load_clip, load_pipeline
from twig_assets.model_zoo.training.export import WEIGHTS


def test_a_folder_is_opened_like_the_embedded_model(pipeline):
    assert fingerprint(load_checkpoint(str(WEIGHTS / "pipeline"))) == fingerprint(pipeline)


def test_a_missing_checkpoint_is_named():
    with pytest.raises(CheckpointError, match="no/such/checkpoint"):
        load_checkpoint("no/such/checkpoint")


def test_another_kind_of_model_is_refused_by_its_class(tmp_path):
    shutil.copytree(WEIGHTS / "pipeline", tmp_path / "copy")
    index = tmp_path / "copy" / "model_index.json"
    content = json.loads(index.read_text())
    content["_class_name"] = "DDPMPipeline"
    index.write_text(
        json.dumps(
            {k: v for k, v in content.items() if k in ("_class_name", "_diffusers_version", "unet", "scheduler")}
        )
    )
    with pytest.raises(CheckpointError, match=r"is a DDPMPipeline; a StableDiffusionPipeline"):
        load_checkpoint(str(tmp_path / "copy"))


def test_damaged_weights_are_refused(tmp_path):
    shutil.copytree(WEIGHTS / "pipeline", tmp_path / "copy")
    weights = tmp_path / "copy" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be opened"):
        load_checkpoint(str(tmp_path / "copy"))
    with pytest.raises(ModelError, match="cannot be read as a pipeline"):
        load_pipeline(tmp_path / "copy")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"model_index\.json is missing"):
        load_pipeline(tmp_path)
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        load_clip(tmp_path)


def test_the_fingerprint_changes_with_a_single_weight(pipeline):
    before = fingerprint(pipeline)
    weight = next(pipeline.unet.parameters())
    with torch.no_grad():
        kept = weight.view(-1)[0].item()
        weight.view(-1)[0] += 1
        changed = fingerprint(pipeline)
        weight.view(-1)[0] = kept
    assert changed != before
    assert fingerprint(pipeline) == before
