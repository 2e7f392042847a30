"""Where the components of a model wait and compute, so that it fits a GPU."""

from typing import Any

import torch

from twig_assets.generation.errors import CheckpointError
from twig_assets.generation.family import Pipeline, family_of
from twig_assets.settings.opening import MemorySettings


def check_memory(device: str, memory: MemorySettings) -> None:
    """Refuse what has no effect, before weights are read.

    Raises:
        CheckpointError: If components shall wait elsewhere than on the CPU, and compute on it.
    """
    if device == "cpu" and memory.offload != "none":
        raise CheckpointError(
            f"memory: offload: {memory.offload} is for a GPU, and this model computes on the CPU; leave it out, or "
            f"name a device"
        )


def placed(pipeline: Pipeline, device: str, memory: MemorySettings) -> Pipeline:
    """The pipeline, ready to compute on a device, with what shall wait elsewhere left on the CPU.

    Args:
        pipeline: On the CPU.
        device: Where it computes.
        memory: What waits, and how the autoencoder works.

    Raises:
        CheckpointError: If the autoencoder cannot work in slices or tiles.
    """
    if memory.vae_slicing or memory.vae_tiling:
        _in_parts(pipeline.vae, memory)
    if device == "cpu":
        return pipeline
    if memory.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif memory.offload == "group":
        pipeline.enable_group_offload(
            onload_device=torch.device(device), offload_device=torch.device("cpu"), offload_type="leaf_level"
        )
    else:
        pipeline.to(device)
        if memory.offload == "text_encoders":
            for name in family_of(pipeline).tokenizers():
                evict_after_encoding(getattr(pipeline, name), torch.device(device))
    return pipeline


def _in_parts(vae: Any, memory: MemorySettings) -> None:
    try:
        if memory.vae_slicing:
            vae.enable_slicing()
        if memory.vae_tiling:
            vae.enable_tiling()
    except (AttributeError, NotImplementedError) as error:
        raise CheckpointError(
            f"memory: a {type(vae).__name__} cannot work in slices or tiles; leave vae_slicing and vae_tiling out"
        ) from error


def evict_after_encoding(encoder: torch.nn.Module, device: torch.device) -> None:
    """From now on, a text encoder waits on the CPU and comes to a device for each encoding.

    A copy of it that is trained stays where it is.
    """
    original = encoder

    def come(module: torch.nn.Module, *_: Any) -> None:
        if module is original:
            module.to(device)

    def go(module: torch.nn.Module, *_: Any) -> None:
        if module is original:
            module.to("cpu")

    encoder.to("cpu")
    encoder.register_forward_pre_hook(come)
    encoder.register_forward_hook(go)
