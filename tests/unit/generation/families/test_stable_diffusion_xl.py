"""The whole path on the architecture of Stable Diffusion XL, with random weights: mechanics, not pictures."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, apply, remove
from twig_assets.ablation.prompts.token_pairs import embed
from twig_assets.generation import GenerationSettings, fingerprint, generate
from twig_assets.regeneration import RegenerationSettings, regenerate

FAST = GenerationSettings(steps=2)


@pytest.fixture(scope="module")
def xl(pipeline):
    torch.manual_seed(0)
    text = pipeline.text_encoder.config
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=256,
        norm_num_groups=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + text.projection_dim,
    )
    return StableDiffusionXLPipeline(
        vae=pipeline.vae,
        text_encoder=CLIPTextModel(text).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text).eval(),
        tokenizer=pipeline.tokenizer,
        tokenizer_2=pipeline.tokenizer,
        unet=unet.eval(),
        scheduler=pipeline.scheduler,
        add_watermarker=False,
    )


def test_both_text_encoders_count(xl):
    assert embed(xl, "a fox").shape == (32, 256)


def test_an_edit_changes_the_targets_image_and_can_be_removed(xl):
    xl.set_progress_bar_config(disable=True)
    base_sha256 = fingerprint(xl)
    target = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object")
    before = generate(xl, ["a fox"], [1], FAST)
    apply(xl, ablate(xl, target, AblationSettings(method="closed_form"), base_sha256), base_sha256)
    after = generate(xl, ["a fox"], [1], FAST)
    remove(xl)
    assert (before != after).any()
    assert fingerprint(xl) == base_sha256


def test_the_second_step_runs_and_strength_zero_is_the_plain_sampler(xl):
    xl.set_progress_bar_config(disable=True)
    first = generate(xl, ["a fox"], [1], FAST)
    mask = np.zeros((1, 64, 64), bool)
    mask[:, 16:48, 16:48] = True
    plain = generate(xl, ["a fox"], [2], FAST)
    off = regenerate(xl, ["a fox"], first, mask, [2], RegenerationSettings(strength=0), FAST)
    np.testing.assert_array_equal(off, plain)
    avoided = regenerate(xl, ["a fox"], first, mask, [2], RegenerationSettings(strategy="vacate", until=1.0), FAST)
    assert (avoided != plain).any()
