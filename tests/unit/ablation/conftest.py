"""Tiny models with random weights: mechanics, not pictures."""

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection


def _unet(width, **more):
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        cross_attention_dim=width,
        norm_num_groups=4,
        **more,
    ).eval()


def _scheduler(prediction):
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
        steps_offset=1,
    )


def _tiny(pipeline, prediction):
    torch.manual_seed(0)
    made = StableDiffusionPipeline(
        vae=pipeline.vae,
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        unet=_unet(128),
        scheduler=_scheduler(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="session")
def tiny(pipeline):
    """Stable Diffusion 2.x, which predicts the velocity."""
    return _tiny(pipeline, "v_prediction")


@pytest.fixture(scope="session", params=["epsilon", "v_prediction"])
def either(request, pipeline):
    """Stable Diffusion 1.x or 2.x."""
    return _tiny(pipeline, request.param)


@pytest.fixture(scope="session")
def tiny_xl(pipeline):
    """Stable Diffusion XL, with two text encoders."""
    torch.manual_seed(0)
    text = pipeline.text_encoder.config
    extra = dict(addition_embed_type="text_time", addition_time_embed_dim=8)
    made = StableDiffusionXLPipeline(
        vae=pipeline.vae,
        text_encoder=CLIPTextModel(text).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text).eval(),
        tokenizer=pipeline.tokenizer,
        tokenizer_2=pipeline.tokenizer,
        unet=_unet(256, projection_class_embeddings_input_dim=6 * 8 + text.projection_dim, **extra),
        scheduler=_scheduler("epsilon"),
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made
