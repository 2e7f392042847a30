import json
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate
from twig_assets.generation import (
    CheckpointError,
    GenerationSettings,
    OpeningSettings,
    family_of,
    fingerprint,
    generate,
    load_checkpoint,
)
from twig_assets.model_zoo import ModelError, load_clip, load_pipeline
from twig_assets.model_zoo.training.export import WEIGHTS

FAST = GenerationSettings(steps=2)


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(WEIGHTS / "pipeline", tmp_path / "copy")


def opened(checkpoint, folder=None, **settings):
    return load_checkpoint(str(checkpoint), folder, OpeningSettings(**settings))


def rewritten(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def test_a_folder_is_opened_like_the_embedded_model(pipeline):
    assert fingerprint(load_checkpoint(str(WEIGHTS / "pipeline"))) == fingerprint(pipeline)


def test_a_folder_is_found_below_the_campaigns_and_below_the_home_folder(copied, pipeline, monkeypatch):
    monkeypatch.setenv("HOME", str(copied.parent))
    assert fingerprint(opened("copy", copied.parent)) == fingerprint(opened("~/copy")) == fingerprint(pipeline)


@pytest.mark.parametrize("name", ["no/such/checkpoint", "~/nothing", "no-such-checkpoint"])
def test_a_missing_checkpoint_is_named_with_what_can_be_given(name):
    with pytest.raises(CheckpointError, match=rf"{name}.*folder that `save_pretrained` wrote"):
        load_checkpoint(name)


def test_a_hub_id_is_asked_for_at_its_revision(monkeypatch):
    asked = []

    def load_config(where, revision=None):
        asked.append((where, revision))
        return {"_class_name": "WanPipeline"}

    monkeypatch.setattr("twig_assets.generation.sources.DiffusionPipeline.load_config", load_config)
    for checkpoint, settings in (("a/b", {}), ("a/b@v2", {}), ("a/b", {"revision": "v3"})):
        with pytest.raises(CheckpointError, match="WanPipeline"):
            opened(checkpoint, **settings)
    assert asked == [("a/b", None), ("a/b", "v2"), ("a/b", "v3")]


def test_another_kind_of_model_is_refused_by_its_class_before_any_weight_is_read(copied, monkeypatch):
    rewritten(copied / "model_index.json", _class_name="DDPMPipeline")
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", None)
    for weights in copied.rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(CheckpointError, match=r"is a DDPMPipeline.*StableDiffusionPipeline.*No weights were read"):
        opened(copied)


def test_damaged_weights_are_refused(copied):
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be opened"):
        opened(copied)
    with pytest.raises(ModelError, match="cannot be read as a pipeline"):
        load_pipeline(copied)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no model_index\.json"):
        opened(tmp_path)
    with pytest.raises(ModelError, match=r"model_index\.json is missing"):
        load_pipeline(tmp_path)
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        load_clip(tmp_path)


def test_weights_that_are_there_in_half_precision_only_are_opened(tmp_path, pipeline):
    load_pipeline().to(torch.float16).save_pretrained(tmp_path, variant="fp16")
    assert not list(tmp_path.rglob("*_model.safetensors"))
    model = opened(tmp_path)
    assert model.unet.dtype == torch.float32
    assert generate(model, ["a fox"], [1], FAST).shape == (1, 64, 64, 3)


def test_number_format_and_device_are_as_named(copied):
    assert opened(copied, dtype="bfloat16").unet.dtype == torch.bfloat16
    assert opened("embedded", dtype="float16", device="cpu").unet.dtype == torch.float16
    if not torch.cuda.is_available():
        with pytest.raises(CheckpointError, match="no 'cuda' device"):
            opened(copied, device="cuda:1")


def test_one_file_that_is_no_whole_checkpoint_is_refused(tmp_path):
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match="`loras:`"):
        opened(tmp_path / "lora.safetensors")
    (tmp_path / "model.ckpt").write_bytes(b"pickled")
    with pytest.raises(CheckpointError, match=r"only \.safetensors"):
        opened(tmp_path / "model.ckpt")


def test_one_file_needs_its_configurations_and_says_where_they_are_looked_for(tmp_path, copied, monkeypatch):
    file = tmp_path / "model.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(CheckpointError, match=r"`config:` names the folder of a StableDiffusionPipeline"):
        opened(file)
    asked = []

    def from_single_file(path, config=None, **kwargs):
        asked.append(config)
        return load_pipeline()

    monkeypatch.setattr(StableDiffusionPipeline, "from_single_file", from_single_file)
    opened(file, config=str(copied))
    shutil.copytree(copied, tmp_path / "model")
    opened(file)
    assert asked == [str(copied), str(tmp_path / "model")]
    rewritten(tmp_path / "model" / "model_index.json", _class_name="DDPMPipeline")
    with pytest.raises(CheckpointError, match="DDPMPipeline"):
        opened(file)


def test_a_scheduler_takes_the_place_of_the_checkpoints_own_with_its_noise(pipeline):
    model = opened("embedded", scheduler={"name": "EulerDiscreteScheduler", "settings": {"use_karras_sigmas": True}})
    assert type(model.scheduler).__name__ == "EulerDiscreteScheduler"
    assert model.scheduler.config.prediction_type == pipeline.scheduler.config.prediction_type
    assert model.scheduler.config.use_karras_sigmas
    assert type(opened("embedded", scheduler="DDIMScheduler").scheduler).__name__ == "DDIMScheduler"


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("NoSuchScheduler", "no scheduler 'NoSuchScheduler'.*DPMSolverMultistepScheduler"),
        ({"name": "DDIMScheduler", "settings": {"karras": True}}, "has no setting karras"),
        ("FlowMatchEulerDiscreteScheduler", "is a diffusion model"),
    ],
)
def test_a_scheduler_that_does_not_suit_is_refused(scheduler, message):
    with pytest.raises(CheckpointError, match=message):
        opened("embedded", scheduler=scheduler)


def test_another_autoencoder_takes_the_place_of_the_checkpoints_own(pipeline, tmp_path):
    with torch.no_grad():
        other = load_pipeline().vae
        other.decoder.layers[-1].bias += 0.5
    other.save_pretrained(tmp_path / "vae")
    model = opened("embedded", tmp_path, vae="vae")
    assert (generate(model, ["a fox"], [1], FAST) != generate(pipeline, ["a fox"], [1], FAST)).any()
    assert fingerprint(model) != fingerprint(pipeline)
    rewritten(tmp_path / "vae" / "config.json", latent_channels=16)
    with pytest.raises(CheckpointError, match="cannot be opened|with 16 channels"):
        opened("embedded", tmp_path, vae="vae")
    with pytest.raises(CheckpointError, match="vae '/nowhere' is not there"):
        opened("embedded", vae="/nowhere")


def test_a_lora_is_merged_by_its_weight(pipeline, tmp_path):
    base = fingerprint(pipeline)
    concept = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object")
    edit = ablate(pipeline, concept, AblationSettings(method="closed_form"), base)
    edit.export_lora(tmp_path / "no-fox.safetensors", pipeline)
    whole = opened("embedded", tmp_path, loras="no-fox.safetensors")
    twice = opened(
        "embedded",
        tmp_path,
        loras=[
            {"path": str(tmp_path), "file": "no-fox.safetensors", "weight": -0.5},
            {"path": "no-fox.safetensors", "weight": 0.25},
        ],
    )
    name, delta = next(iter(edit.deltas(pipeline).items()))
    for model, weight in ((whole, 1), (twice, -0.25)):
        expected = _weight(pipeline, name).double() + weight * delta
        torch.testing.assert_close(_weight(model, name).double(), expected, atol=1e-5, rtol=1e-4)
    assert len({fingerprint(model) for model in (whole, twice, pipeline)}) == 3
    assert list(family_of(whole).text_entries()) == list(family_of(pipeline).text_entries())
    with pytest.raises(CheckpointError, match=r"lora '/nowhere\.safetensors' is not there"):
        opened("embedded", loras=["/nowhere.safetensors"])
    save_file({"something.else": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="cannot be merged"):
        opened("embedded", tmp_path, loras=["other.safetensors"])


def _weight(model, name):
    component, _, inside = name.partition(".")
    return getattr(model, component).get_parameter(inside)
