"""Which parameters of a model are trained, and running the model with other values in their place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.func import functional_call

from twig_assets.ablation.edits.concept_edit import cross_attention_weights
from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import Conditions
from twig_assets.settings.ablation import ParameterGroup

_ATTENTION = (".to_q.", ".to_k.", ".to_v.", ".to_out.")


def trainable(pipeline: Pipeline, group: ParameterGroup) -> dict[str, torch.nn.Parameter]:
    """The parameters of a group, by name with the component in front.

    `embedding` is the whole table of every text encoder; see `tune` for the rows that are trained.
    """
    if group == "cross_attention":
        return cross_attention_weights(pipeline)
    if group == "embedding":
        return {
            f"{component}.{name}": parameter
            for component, encoder in text_encoders(pipeline).items()
            for name, parameter in encoder.named_parameters()
            if name.endswith("token_embedding.weight")
        }
    named = pipeline.unet.named_parameters()
    return {f"unet.{n}": p for n, p in named if group == "full" or any(part in f".{n}" for part in _ATTENTION)}


def text_encoders(pipeline: Pipeline) -> dict[str, torch.nn.Module]:
    """The text encoders that the pipeline has, by the component's name."""
    found = {name: getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2")}
    return {name: encoder for name, encoder in found.items() if encoder is not None}


def predict(
    pipeline: Pipeline,
    values: Mapping[str, torch.Tensor],
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    asked: Conditions,
) -> torch.Tensor:
    """The UNet's prediction with some of its parameters replaced; the module itself is not changed.

    Args:
        pipeline: The unedited model.
        values: `unet.…` name -> value; names of other components are passed over.
        latents: (n, C, h, w).
        timesteps: (n,).
        asked: Text conditions of n prompts.
    """
    inside = {name.removeprefix("unet."): value for name, value in values.items() if name.startswith("unet.")}
    arguments: dict[str, Any] = asked.keywords()
    return functional_call(pipeline.unet, inside, (latents, timesteps), arguments).sample


@contextmanager
def first_token_detached(pipeline: Pipeline) -> Iterator[None]:
    """No gradient reaches keys and values through the first token, which is the same for every prompt.

    The reference code does so, since changing how the start token is read changes every prompt.
    """

    def detach_first(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([output[:, :1].detach(), output[:, 1:]], dim=1)

    names = [name.removeprefix("unet.").rpartition(".")[0] for name in cross_attention_weights(pipeline)]
    hooks = [pipeline.unet.get_submodule(name).register_forward_hook(detach_first) for name in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
