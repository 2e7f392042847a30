"""Open the embedded flow-matching pipeline, of the kind of Stable Diffusion 3.

Only its transformer and scheduler are stored. Its autoencoder, tokenizer and text encoders are those of the other
embedded models: CLIP's text tower, and the one that was trained on with the U-Net, both with CLIP's projection.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPModel, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from twig_assets.model_zoo.loading import WEIGHTS, ModelError, load_clip
from twig_assets.model_zoo.padding import count_padding_once


def load_flow(folder: Path | None = None) -> StableDiffusion3Pipeline:
    """The flow-matching pipeline in fp32: 64 x 64 px, 32 text tokens, no T5, Euler's steps.

    Args:
        folder: Holds another `transformer` and `scheduler`; the embedded ones when None.

    Raises:
        ModelError: If they, or the models whose parts it shares, are missing or cannot be read.
    """
    source, shared = folder or WEIGHTS / "flow", WEIGHTS / "pipeline"
    if not (source / "transformer" / "config.json").is_file():
        raise ModelError(f"{source} holds no transformer (transformer/config.json is missing); install it again")
    clip, _ = load_clip()
    try:
        transformer = SD3Transformer2DModel.from_pretrained(
            source / "transformer", dtype=torch.float32, use_safetensors=True
        )
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(source / "scheduler")
        vae = AutoencoderTiny.from_pretrained(shared / "vae", dtype=torch.float32, use_safetensors=True)
        generator = CLIPTextModel.from_pretrained(shared / "text_encoder", dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(shared / "tokenizer")
    except Exception as error:  # diffusers, transformers and safetensors raise many unrelated types
        raise ModelError(f"{source} cannot be read as a flow-matching model: {error}; install it again") from error
    pipeline = assembled(transformer.eval(), scheduler, vae.eval(), tokenizer, text_encoders(clip, generator))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def text_encoders(
    clip: CLIPModel, generator: CLIPTextModel
) -> tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]:
    """CLIP's text tower and the generator's, as two text encoders with CLIP's projection."""
    first, second = (_projected(tower, clip) for tower in (clip.text_model, generator))
    return first, second


def _projected(tower: torch.nn.Module, clip: CLIPModel) -> CLIPTextModelWithProjection:
    encoder = CLIPTextModelWithProjection(clip.text_model.config)
    encoder.text_model.load_state_dict(tower.state_dict())
    encoder.text_projection.load_state_dict(clip.text_projection.state_dict())
    return encoder.eval()


def assembled(
    transformer: SD3Transformer2DModel,
    scheduler: FlowMatchEulerDiscreteScheduler,
    vae: AutoencoderTiny,
    tokenizer: CLIPTokenizer,
    encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
) -> StableDiffusion3Pipeline:
    """The pipeline of these parts, without T5, whose padding is counted once."""
    return StableDiffusion3Pipeline(
        transformer=count_padding_once(transformer),
        scheduler=scheduler,
        vae=vae,
        text_encoder=encoders[0],
        tokenizer=tokenizer,
        text_encoder_2=encoders[1],
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )
