"""Opening a text-to-image checkpoint: a folder, one file or a repository, with what the settings exchange in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
from diffusers import DiffusionPipeline

from twig_assets.generation.errors import CheckpointError, first_line
from twig_assets.generation.family import Pipeline, UnknownFamilyError, family_of
from twig_assets.generation.memory import check_memory, placed
from twig_assets.generation.parts import check_parts, exchange_parts
from twig_assets.generation.sources import Source, find_source, known_class, located
from twig_assets.settings.opening import OpeningSettings

# What an embedded checkpoint is called -> what `model_zoo.load_pipeline` calls it.
EMBEDDED: dict[str, Literal["diffusion", "flow"]] = {"embedded": "diffusion", "embedded-flow": "flow"}


def load_checkpoint(checkpoint: str, folder: Path | None = None, opening: OpeningSettings | None = None) -> Pipeline:
    """Open a checkpoint.

    What it is is found out first: one that cannot be used is refused before any weight is read.

    Args:
        checkpoint: `embedded`, `embedded-flow`, a folder, a `.safetensors` file, or the id of a repository on the model
            hub, perhaps with `@REVISION`.
        folder: What relative names are relative to; the working directory when None.
        opening: Parts to exchange, number format and device; the defaults when None.

    Raises:
        CheckpointError: If it, or a part, cannot be found or read, or is of a class that no family knows.
        MissingCapabilityError: If a LoRA is named and the family takes none.
    """
    opening = opening or OpeningSettings()
    check_parts(opening, folder)
    device = _device(opening)
    if checkpoint in EMBEDDED:
        device = opening.device or "cpu"
    check_memory(device, opening.memory)
    if checkpoint in EMBEDDED:
        from twig_assets.model_zoo import load_pipeline

        pipeline = load_pipeline(EMBEDDED[checkpoint])
        if opening.dtype:
            pipeline.to(getattr(torch, opening.dtype))
    else:
        name, revision = with_revision(checkpoint, folder, opening)
        source = find_source(name, folder, revision, opening.config)
        dtype = getattr(torch, opening.dtype) if opening.dtype else default_dtype(device)
        pipeline = _opened(checkpoint, source, revision, dtype)
    pipeline.set_progress_bar_config(disable=True)
    exchange_parts(pipeline, opening, folder)
    return placed(pipeline, device, opening.memory)


def default_dtype(device: str) -> torch.dtype:
    """The number format in which a checkpoint is opened where none is named.

    bfloat16 has the range of float32, which newer models need; float16 is for cards without it.
    """
    if device == "cpu":
        return torch.float32
    if device.startswith("cuda") and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def with_revision(checkpoint: str, folder: Path | None, opening: OpeningSettings) -> tuple[str, str | None]:
    """The name of a checkpoint without its revision, and that; a file or folder has none, whatever it is called."""
    name, _, revision = checkpoint.partition("@")
    if not revision or located(checkpoint, folder) is not None:
        return checkpoint, opening.revision
    return name, opening.revision or revision


def _device(opening: OpeningSettings) -> str:
    if opening.device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = opening.device.partition(":")[0]
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "xpu": torch.xpu.is_available,
    }
    if kind in there and not there[kind]():
        raise CheckpointError(f"device: this machine has no {kind!r} device that torch can use; leave it out")
    return opening.device


def _opened(checkpoint: str, source: Source, revision: str | None, dtype: torch.dtype) -> Pipeline:
    try:
        pipeline = _from_file(source, dtype) if source.is_file else _from_folder(source, revision, dtype)
    except Exception as error:  # diffusers, the hub client and safetensors raise many unrelated types
        raise CheckpointError(
            f"checkpoint {checkpoint!r} cannot be opened: {first_line(error)}. {_advice(source)}"
        ) from error
    try:
        family_of(pipeline)
    except UnknownFamilyError:
        known_class(checkpoint, type(pipeline).__name__)
    return pipeline


def _advice(source: Source) -> str:
    if source.is_file and source.config is None:
        return (
            f"One file has no configurations and no tokenizers: this machine has to reach the hub for them once, or "
            f"`config:` names the folder of a {source.pipeline_class} of the same kind that `save_pretrained` wrote, "
            f"which may be without weights; a folder beside the file that has its name is found by itself."
        )
    return (
        "Give `embedded`, a folder that `save_pretrained` wrote with safetensors, a `.safetensors` file, or a hub id "
        "this machine can reach."
    )


def _from_file(source: Source, dtype: torch.dtype) -> Pipeline:
    pipeline_class: Any = getattr(diffusers, source.pipeline_class)
    config = {} if source.config is None else {"config": source.config}
    local = source.config is not None and Path(source.config).exists()
    return pipeline_class.from_single_file(source.where, dtype=dtype, local_files_only=local, **config)


def _from_folder(source: Source, revision: str | None, dtype: torch.dtype) -> Pipeline:
    def opened(variant: str | None) -> Pipeline:
        return DiffusionPipeline.from_pretrained(
            source.where, dtype=dtype, use_safetensors=True, variant=variant, revision=revision
        )

    if source.variant or Path(source.where).exists():
        return opened(source.variant)
    try:
        return opened(None)
    except Exception:  # of a repository it is not known before which variants it has
        try:
            return opened("fp16")
        except Exception:
            pass
        raise
