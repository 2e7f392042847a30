"""The embedded flow-matching pipeline: what it is, and that it is used like any other of its class."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

from twig_assets.generation import GenerationSettings, fingerprint, generate, load_checkpoint
from twig_assets.generation.skeleton import skeleton
from twig_assets.model_zoo import ModelError, load_clip, load_pipeline
from twig_assets.model_zoo.load_flow import load_flow
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.settings.judge import judge_for

PROMPTS, SEEDS = ["a red apple, noto style on a blue background", "a letter never sent to the moon"], [1, 2]
FEW = GenerationSettings(steps=3, guidance_scale=3.0, guidance_rescale=0, guidance_from=0)


@pytest.fixture(scope="module")
def flow() -> StableDiffusion3Pipeline:
    return load_pipeline("flow")


def test_it_is_a_standard_pipeline_without_t5(flow: StableDiffusion3Pipeline) -> None:
    assert type(flow) is StableDiffusion3Pipeline
    assert isinstance(flow.scheduler, FlowMatchEulerDiscreteScheduler)
    assert flow.text_encoder_3 is None
    assert {parameter.dtype for parameter in flow.transformer.parameters()} == {torch.float32}


def test_its_text_encoders_are_those_of_the_other_models(flow: StableDiffusion3Pipeline) -> None:
    clip, _ = load_clip()
    towers = clip.text_model, load_pipeline().text_encoder
    for encoder, tower in zip((flow.text_encoder, flow.text_encoder_2), towers, strict=True):
        assert torch.equal(encoder.text_projection.weight, clip.text_projection.weight)
        for own, shared in zip(encoder.text_model.parameters(), tower.parameters(), strict=True):
            assert torch.equal(own, shared)


def test_it_draws_what_diffusers_draws(flow: StableDiffusion3Pipeline) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    own = flow(PROMPTS, num_inference_steps=3, guidance_scale=3.0, generator=generators, output_type="pt").images
    own = own.float().mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(generate(flow, PROMPTS, SEEDS, FEW), own)


def test_strength_0_gives_the_plain_bytes(flow: StableDiffusion3Pipeline) -> None:
    plain, masks = generate(flow, PROMPTS, SEEDS, FEW), np.ones((2, 64, 64), bool)
    second = regenerate(flow, PROMPTS, plain, masks, SEEDS, RegenerationSettings(strength=0), FEW)
    np.testing.assert_array_equal(second, plain)


def test_a_campaign_can_name_it(flow: StableDiffusion3Pipeline) -> None:
    assert fingerprint(load_checkpoint("embedded-flow")) == fingerprint(flow)
    bones = skeleton("embedded-flow")
    assert bones.family.native_size == (64, 64)
    assert bones.weights_bytes > 4 * sum(parameter.numel() for parameter in flow.transformer.parameters())
    assert judge_for("embedded-flow", None).checkpoint == "embedded"


def test_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="choose diffusion or flow"):
        load_pipeline("unet")  # type: ignore[call-overload]


def test_a_folder_without_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_flow(tmp_path)


def test_all_weights_together_stay_small() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) < 60e6
