"""A pipeline of every family's class, in small and with random weights: they draw nothing, but all that works works."""

import math
from functools import cache

import diffusers
import torch
from tokenizers import pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WIDTH = 32
WORDS = "an apple background blue boat cat dog drawing fox house in of on owl picture red style the".split(" ")  # noqa: SIM905
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)


def clip_tokenizer():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = {}
    for word in WORDS:
        left = word[0]
        for at, letter in enumerate(word[1:], start=2):
            right = letter + "</w>" * (at == len(word))
            merges[(left, right)] = None
            left += right
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    tokens += ["".join(pair) for pair in merges]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=77)


def t5_tokenizer():
    pieces = ["▁", *("▁" + word for word in WORDS), *(chr(code) for code in range(33, 127))]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((piece, -math.log(len(pieces))) for piece in pieces)]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=512)


def qwen_tokenizer():
    letters, merges = sorted(pre_tokenizers.ByteLevel.alphabet()), {}
    for word in WORDS:
        left = "Ġ"
        for letter in word:
            merges[(left, letter)] = None
            left += letter
    tokens = [*letters, *("".join(pair) for pair in merges), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=list(merges), padding_side="right", model_max_length=2048)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT
    return tokenizer


def clip(tokenizer, kind=CLIPTextModel):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return kind(config).eval()


def t5(tokenizer, width=WIDTH):
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    return T5EncoderModel(config).eval()


QWEN = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2048,
}


def qwen3(tokenizer, layers, kind):
    config = Qwen3Config(vocab_size=len(tokenizer), num_hidden_layers=layers, head_dim=8, **QWEN)
    return kind(config).eval()


def autoencoder(channels=4, kind=diffusers.AutoencoderKL, **more):
    return kind(
        sample_size=32,
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=8,
        **more,
    ).eval()


def unet(width, **more):
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=width,
        norm_num_groups=8,
        **more,
    ).eval()


FLOW_VAE = {"use_quant_conv": False, "use_post_quant_conv": False, "scaling_factor": 0.36, "shift_factor": 0.11}
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def stable_diffusion():
    tokenizer = clip_tokenizer()
    return diffusers.StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=clip(tokenizer),
        tokenizer=tokenizer,
        unet=unet(WIDTH),
        scheduler=diffusers.PNDMScheduler(**NOISE, skip_prk_steps=True),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl():
    tokenizer = clip_tokenizer()
    return diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=clip(tokenizer),
        text_encoder_2=clip(tokenizer, CLIPTextModelWithProjection),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet(
            2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(**NOISE, timestep_spacing="leading"),
        add_watermarker=False,
    )


def stable_diffusion_3(with_t5=True):
    tokenizer, long_tokenizer = clip_tokenizer(), t5_tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=16,
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(4, **FLOW_VAE),
        text_encoder=clip(tokenizer, CLIPTextModelWithProjection),
        tokenizer=tokenizer,
        text_encoder_2=clip(tokenizer, CLIPTextModelWithProjection),
        tokenizer_2=tokenizer,
        text_encoder_3=t5(long_tokenizer, 2 * WIDTH) if with_t5 else None,
        tokenizer_3=long_tokenizer if with_t5 else None,
    )


def flux(guidance_embeds=True):
    tokenizer, long_tokenizer = clip_tokenizer(), t5_tokenizer()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance_embeds,
    )
    return diffusers.FluxPipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(4, **FLOW_VAE),
        text_encoder=clip(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=t5(long_tokenizer),
        tokenizer_2=long_tokenizer,
    )


def flux_2_klein(is_distilled=False):
    tokenizer = qwen_tokenizer()
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 16,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    pipeline = diffusers.Flux2KleinPipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(4, diffusers.AutoencoderKLFlux2),
        text_encoder=qwen3(tokenizer, 28, Qwen3ForCausalLM),
        tokenizer=tokenizer,
        is_distilled=is_distilled,
    )
    pipeline.tokenizer_max_length = 64  # 28 layers that read 512 tokens of padding take their time
    return pipeline


def z_image():
    tokenizer = qwen_tokenizer()
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    return diffusers.ZImagePipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(4, **FLOW_VAE),
        text_encoder=qwen3(tokenizer, 3, Qwen3Model),
        tokenizer=tokenizer,
    )


def qwen_image():
    tokenizer = qwen_tokenizer()
    text = {
        **QWEN,
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
    }
    looks = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    encoder = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=looks)).eval()
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.1, -0.2, 0.0, 0.3],
        latents_std=[1.5, 2.0, 1.0, 0.7],
    )
    return diffusers.QwenImagePipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=encoder,
        tokenizer=tokenizer,
    )


def pixart_sigma():
    tokenizer = t5_tokenizer()
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=8,
        patch_size=2,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        in_channels=4,
        out_channels=8,
        caption_channels=WIDTH,
        cross_attention_dim=32,
        use_additional_conditions=False,
    )
    return diffusers.PixArtSigmaPipeline(
        transformer=transformer.eval(),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
        vae=autoencoder(),
        text_encoder=t5(tokenizer),
        tokenizer=tokenizer,
    )


BUILDERS = {
    builder.__name__: builder
    for builder in (
        stable_diffusion,
        stable_diffusion_xl,
        stable_diffusion_3,
        flux,
        flux_2_klein,
        z_image,
        qwen_image,
        pixart_sigma,
    )
}


@cache
def small(name, **options):
    """The pipeline of this name: always the same weights, built once."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        pipeline = BUILDERS[name](**options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
