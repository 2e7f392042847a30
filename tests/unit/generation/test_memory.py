"""What shall wait, waits, and what shall work in parts does: without a GPU, as far as that can be seen."""

import copy

import numpy as np
import pytest
import torch

from tests.unit.generation.families.pipelines import BUILDERS, small
from twig_assets.campaign import Campaign
from twig_assets.generation import (
    CheckpointError,
    GenerationSettings,
    OpeningSettings,
    family_of,
    fingerprint,
    generate,
    load_checkpoint,
)
from twig_assets.generation.memory import evict_after_encoding, placed
from twig_assets.generation.skeleton import skeleton
from twig_assets.settings.opening import MemorySettings


class Recording:
    """A pipeline that keeps what it is asked for."""

    def __init__(self):
        self.asked = []

    def to(self, device):
        self.asked.append(("to", device))

    def enable_model_cpu_offload(self, **options):
        self.asked.append(("model", options["device"]))

    def enable_group_offload(self, onload_device, offload_device, offload_type):
        self.asked.append(("group", str(onload_device), str(offload_device)))


@pytest.mark.parametrize(
    ("offload", "asked"),
    [("none", ("to", "cuda:1")), ("model", ("model", "cuda:1")), ("group", ("group", "cuda:1", "cpu"))],
)
def test_what_waits_is_told_to_diffusers(offload, asked):
    pipeline = Recording()
    placed(pipeline, "cuda:1", MemorySettings(offload=offload))
    assert pipeline.asked == [asked]


def test_text_encoders_come_to_encode_and_go_and_a_copy_that_is_trained_stays():
    encoder, moved = torch.nn.Linear(2, 2), []
    evict_after_encoding(encoder, torch.device("cuda"))
    encoder.to = lambda device: moved.append(str(device))
    encoder(torch.zeros(1, 2))
    assert moved == ["cuda", "cpu"]
    trained = copy.deepcopy(encoder)
    trained.to = lambda device: pytest.fail("the copy was moved")
    trained(torch.zeros(1, 2)).sum().backward()


def test_all_text_encoders_of_a_model_are_evicted(monkeypatch):
    pipeline, evicted = small("stable_diffusion_xl"), []
    monkeypatch.setattr("twig_assets.generation.memory.evict_after_encoding", lambda *to: evicted.append(to))
    monkeypatch.setattr(type(pipeline), "to", lambda self, device: self)
    placed(pipeline, "cuda", MemorySettings(offload="text_encoders"))
    assert [encoder for encoder, _ in evicted] == [pipeline.text_encoder, pipeline.text_encoder_2]


def test_an_autoencoder_in_slices_and_tiles_draws_nearly_the_same_and_tiles_make_another_model():
    pipeline = BUILDERS["stable_diffusion"]()
    pipeline.set_progress_bar_config(disable=True)
    settings, prompts = GenerationSettings(steps=2, height=128, width=128), ["a cat", "a dog"]
    plain, name = generate(pipeline, prompts, [1, 2], settings), fingerprint(pipeline)
    placed(pipeline, "cpu", MemorySettings(vae_slicing=True))
    assert pipeline.vae.use_slicing
    assert fingerprint(pipeline) == name
    assert np.abs(generate(pipeline, prompts, [1, 2], settings).astype(int) - plain).max() <= 1
    placed(pipeline, "cpu", MemorySettings(vae_tiling=True))
    assert pipeline.vae.use_tiling
    assert fingerprint(pipeline) != name
    assert generate(pipeline, prompts, [1, 2], settings).shape == plain.shape


def test_what_has_no_effect_or_cannot_be_is_refused_before_weights_are_read(monkeypatch):
    monkeypatch.setattr("twig_assets.model_zoo.load_pipeline", None)
    with pytest.raises(CheckpointError, match="offload: model is for a GPU"):
        load_checkpoint("embedded", opening=OpeningSettings(memory=MemorySettings(offload="model")))
    with pytest.raises(CheckpointError, match="cannot work in slices"):
        placed(type("Model", (), {"vae": torch.nn.Identity()})(), "cpu", MemorySettings(vae_tiling=True))


def test_a_models_name_says_only_what_images_depend_on(tmp_path):
    def named(**memory):
        return Campaign(name="a", folder=tmp_path, title="A", checkpoint="b/c", memory=memory).model_name

    assert named() == named(offload="group", vae_slicing=True) == "b/c"
    assert "vae_tiling" in named(vae_tiling=True)


@pytest.mark.parametrize("name", ["stable_diffusion", "pixart_sigma"])
def test_a_model_computes_where_its_denoiser_is_while_text_encoders_wait(name):
    pipeline = BUILDERS[name]()
    family = family_of(pipeline)
    assert family.device.type == "cpu"
    family.denoiser.to("meta")
    assert family.device.type == "meta"


def test_the_check_before_work_refuses_an_offload_without_a_gpu_too():
    [problem] = skeleton("embedded", opening=OpeningSettings(memory=MemorySettings(offload="group"))).problems
    assert "is for a GPU" in problem
