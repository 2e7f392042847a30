"""The architectures that are measured, as their authors configured them, without content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin
from tokenizers import pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedModel,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

from twig_assets.generation import Pipeline
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.settings.opening import NumberFormat

_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)
# Qwen3 of 4 billion parameters.
_QWEN3: dict[str, Any] = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class Architecture:
    """One model that is measured.

    Attributes:
        parts: Makes its pipeline, on whatever device is torch's default.
        dtype: Number format of its files.
        opened_as: Number format in which they are opened.
        side: Height and width of what is drawn, in pixels.
        cut: What is left out of it; empty where it is whole.
    """

    parts: Callable[[], Pipeline]
    dtype: torch.dtype
    opened_as: NumberFormat
    side: int
    cut: str = ""

    def pipeline(self) -> Pipeline:
        """Its pipeline, with networks that have no content."""
        with torch.device("meta"):
            return self.parts()


def stable_diffusion_1_5() -> Pipeline:
    """Stable Diffusion 1.5, 512 px."""
    tokenizer = _clip_tokenizer()
    return diffusers.StableDiffusionPipeline(
        vae=_autoencoder(sample_size=512),
        text_encoder=_clip(tokenizer, 768, 12, "quick_gelu"),
        tokenizer=tokenizer,
        unet=diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8),
        scheduler=_scheduler(diffusers.PNDMScheduler, **_NOISE, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Pipeline:
    """Stable Diffusion XL, 1024 px, with its two text encoders."""
    tokenizer = _clip_tokenizer()
    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_autoencoder(sample_size=1024, scaling_factor=0.13025),
        text_encoder=_clip(tokenizer, 768, 12, "quick_gelu"),
        text_encoder_2=_clip(tokenizer, 1280, 32, "gelu", CLIPTextModelWithProjection),
        tokenizer=tokenizer,
        tokenizer_2=_clip_tokenizer(),
        unet=unet,
        scheduler=_scheduler(diffusers.EulerDiscreteScheduler, **_NOISE, timestep_spacing="leading"),
        add_watermarker=False,
    )


def flux_2_klein() -> Pipeline:
    """FLUX.2 klein of 4 billion parameters; of the text encoder those layers that it reads."""
    return diffusers.Flux2KleinPipeline(
        transformer=diffusers.Flux2Transformer2DModel(
            num_layers=1, num_single_layers=2, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
        ),
        scheduler=_scheduler(diffusers.FlowMatchEulerDiscreteScheduler, shift=3.0, use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLFlux2(),
        text_encoder=Qwen3ForCausalLM(Qwen3Config(**_QWEN3, num_hidden_layers=27)),
        tokenizer=_qwen_tokenizer(),
        is_distilled=True,
    )


def z_image() -> Pipeline:
    """Z-Image."""
    vae = _autoencoder(
        latent_channels=16,
        sample_size=1024,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    return diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(n_layers=2, n_refiner_layers=1),
        scheduler=_scheduler(diffusers.FlowMatchEulerDiscreteScheduler, shift=3.0),
        vae=vae,
        text_encoder=Qwen3Model(Qwen3Config(**_QWEN3, num_hidden_layers=3)),
        tokenizer=_qwen_tokenizer(),
    )


ARCHITECTURES = {
    "sd15": Architecture(stable_diffusion_1_5, torch.float32, "float32", 512),
    # In half precision on disk, as it is handed out; float32 would take 13 GiB, and as much while it is read.
    "sdxl": Architecture(stable_diffusion_xl, torch.float16, "bfloat16", 1024),
    "klein": Architecture(
        flux_2_klein,
        torch.bfloat16,
        "bfloat16",
        512,
        "3 of the transformer's 25 layers, 27 of the text encoder's 36 (all that are read)",
    ),
    "z-image": Architecture(
        z_image, torch.bfloat16, "bfloat16", 512, "4 of the transformer's 34 layers, 3 of the text encoder's 36"
    ),
}
"""What a benchmark calls it -> what it is."""


def _scheduler(kind: type[SchedulerMixin], **settings: Any) -> SchedulerMixin:
    """A scheduler, which has numbers and no weights."""
    with torch.device("cpu"):
        return kind(**settings)


def _autoencoder(**more: Any) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        **more,
    )


def _clip(
    tokenizer: CLIPTokenizer, width: int, layers: int, activation: str, kind: type[PreTrainedModel] = CLIPTextModel
) -> PreTrainedModel:
    return kind(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            max_position_embeddings=77,
            hidden_act=activation,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _clip_tokenizer() -> CLIPTokenizer:
    """The embedded models' own, as long as CLIP's, which cannot be had here: nearly all words are one token in both."""
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(WEIGHTS / "pipeline" / "tokenizer", model_max_length=77)
    return tokenizer


def _qwen_tokenizer() -> Qwen2Tokenizer:
    """Byte by byte, with Qwen's marks of a chat."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*letters, "<|endoftext|>", "<|im_start|>", "<|im_end|>"])}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], padding_side="right", model_max_length=2048)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = _CHAT
    return tokenizer
