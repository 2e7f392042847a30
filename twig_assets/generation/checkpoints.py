"""Opening a text-to-image checkpoint, and the fingerprint that names exactly which weights it has."""

import hashlib
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from twig_assets.generation.family import Pipeline, UnknownFamilyError, family_of, known_pipelines

EMBEDDED = "embedded"


class CheckpointError(ValueError):
    """A checkpoint that is missing, unreadable or of a kind that cannot be used here."""


def load_checkpoint(checkpoint: str, folder: Path | None = None) -> Pipeline:
    """Open a checkpoint on the CPU in fp32, or on a GPU in fp16 where there is one.

    Args:
        checkpoint: `embedded`, a folder, or the id of a repository on the model hub.
        folder: What a relative folder name is relative to; the working directory when None.

    Raises:
        CheckpointError: If it cannot be found or read, or is of a class that no family knows.
    """
    if checkpoint == EMBEDDED:
        from twig_assets.model_zoo import load_pipeline

        return load_pipeline()
    local = (folder or Path()) / checkpoint
    source = str(local) if local.exists() else checkpoint
    on_gpu = torch.cuda.is_available()
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            source, dtype=torch.float16 if on_gpu else torch.float32, use_safetensors=True
        )
    except Exception as error:  # diffusers, the hub client and safetensors raise many unrelated types
        raise CheckpointError(
            f"checkpoint {checkpoint!r} cannot be opened: {_first_line(error)}. Give `embedded`, a folder that "
            f"`save_pretrained` wrote with safetensors, or a hub id this machine can reach."
        ) from error
    try:
        family_of(pipeline)
    except UnknownFamilyError as error:
        raise CheckpointError(
            f"checkpoint {checkpoint!r} is a {type(pipeline).__name__}; a {' or '.join(known_pipelines())} is needed."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda") if on_gpu else pipeline


def fingerprint(pipeline: Pipeline) -> str:
    """SHA-256 over the names and bytes of all weights: two checkpoints share it only if they are the same model."""
    digest = hashlib.sha256()
    for component, module in family_of(pipeline).weights().items():
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{component}.{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
