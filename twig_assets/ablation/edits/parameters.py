"""The parameters of a pipeline that an edit may change."""

import torch

from twig_assets.generation import Pipeline


def cross_attention_weights(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The key and value projections of all cross-attention layers, by name."""
    return {
        f"unet.{name}": parameter
        for name, parameter in pipeline.unet.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }


def editable_parameters(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The parameters of the UNet and the text encoders, by name with the component in front."""
    return {
        f"{component}.{name}": parameter
        for component in ("unet", "text_encoder", "text_encoder_2")
        if getattr(pipeline, component, None) is not None
        for name, parameter in getattr(pipeline, component).named_parameters()
    }
