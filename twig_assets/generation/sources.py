"""Where a checkpoint lies and what it is: found out from names and small files, before any weight is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from diffusers.loaders.single_file_utils import infer_diffusers_model_type
from safetensors import safe_open

from twig_assets.generation.errors import CheckpointError, first_line
from twig_assets.generation.family import known_pipelines

INDEX = "model_index.json"
_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
# What diffusers takes the weights of one file to be -> the class of pipeline that they belong to.
_SINGLE_FILE_KINDS = {
    "v1": "StableDiffusionPipeline",
    "v2": "StableDiffusionPipeline",
    "xl_base": "StableDiffusionXLPipeline",
    "playground-v2-5": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "sd35_medium": "StableDiffusion3Pipeline",
    "sd35_large": "StableDiffusion3Pipeline",
    "flux-dev": "FluxPipeline",
    "flux-schnell": "FluxPipeline",
}
# In all single files of these kinds, and in no LoRA or autoencoder.
_DENOISER_KEY = re.compile(r"^(model\.diffusion_model\.|double_blocks\.|joint_blocks\.)")


@dataclass(frozen=True)
class Source:
    """A checkpoint that was found, and is of a class that a family knows.

    Attributes:
        where: A folder, a file or the id of a repository on the model hub.
        pipeline_class: Name of the pipeline's class.
        is_file: Whether it is one `.safetensors` file.
        config: For a file: folder or hub id of the configurations and tokenizers; None lets diffusers ask the hub.
        variant: `fp16` where its weights are there in that variant only.
    """

    where: str
    pipeline_class: str
    is_file: bool = False
    config: str | None = None
    variant: str | None = None


def located(name: str, folder: Path | None) -> Path | None:
    """The file or folder that a name means, looked for below `folder`; None if there is none.

    A `~` at its beginning is the home folder.
    """
    path = (folder or Path()) / Path(name).expanduser()
    return path if path.exists() else None


def is_hub_id(name: str) -> bool:
    """Whether a name can be that of a repository on the model hub, and is not plainly that of a file."""
    return bool(_HUB_ID.fullmatch(name)) and not name.endswith(".safetensors")


def find_source(checkpoint: str, folder: Path | None, revision: str | None, config: str | None) -> Source:
    """Where a checkpoint lies and what it is.

    Args:
        checkpoint: A folder, a `.safetensors` file, or a hub id.
        folder: What a relative name is relative to; the working directory when None.
        revision: Of a hub id.
        config: See `OpeningSettings`.

    Raises:
        CheckpointError: If it is not there, or of a class that no family knows, with those that can be used.
    """
    path = located(checkpoint, folder)
    if path is None and not is_hub_id(checkpoint):
        raise CheckpointError(
            f"checkpoint {checkpoint!r} cannot be opened: there is no such file or folder, and it is no hub id either. "
            f"{_GIVE}"
        )
    if path is not None and path.is_file():
        return _single_file(checkpoint, path, config, folder)
    where = str(path or checkpoint)
    if path is not None and not (path / INDEX).is_file():
        raise CheckpointError(f"checkpoint {checkpoint!r} cannot be opened: {path} has no {INDEX}. {_GIVE}")
    named = _class_named(checkpoint, where, revision)
    return Source(where, named, variant=_only_variant(path) if path else None)


_GIVE = (
    "Give `embedded`, a folder that `save_pretrained` wrote with safetensors, a `.safetensors` file, or a hub id this "
    "machine can reach."
)


def _class_named(checkpoint: str, where: str, revision: str | None) -> str:
    try:
        index = DiffusionPipeline.load_config(where, revision=revision)
    except Exception as error:  # the hub client and json raise many unrelated types
        raise CheckpointError(f"checkpoint {checkpoint!r} cannot be opened: {first_line(error)}. {_GIVE}") from error
    if not isinstance(index, Mapping) or not isinstance(index.get("_class_name"), str):
        raise CheckpointError(f"checkpoint {checkpoint!r} cannot be opened: its {INDEX} names no class. {_GIVE}")
    return known_class(checkpoint, index["_class_name"])


def known_class(checkpoint: str, name: str) -> str:
    """The name of a pipeline class, if a family knows it.

    Raises:
        CheckpointError: If none does, with those that can be used.
    """
    if name not in known_pipelines():
        raise CheckpointError(
            f"checkpoint {checkpoint!r} is a {name}, which cannot be used; use one of {', '.join(known_pipelines())}. "
            f"No weights were read."
        )
    return name


def _only_variant(path: Path) -> str | None:
    """`fp16` if some component's weights are there as `*.fp16.safetensors` and not otherwise."""
    for component in {file.parent for file in path.glob("*/*.fp16*.safetensors")}:
        if all(".fp16" in file.name for file in component.glob("*.safetensors")):
            return "fp16"
    return None


def _single_file(checkpoint: str, path: Path, config: str | None, folder: Path | None) -> Source:
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"checkpoint {checkpoint!r} is a {path.suffix or 'nameless kind of'} file; only .safetensors files are "
            f"read, since others can hold programs"
        )
    if config is None:
        beside = path.with_suffix("")
        chosen = str(beside) if (beside / INDEX).is_file() else None
    else:
        chosen = str(located(config, folder) or config)
    if chosen is None:
        return Source(str(path), known_class(checkpoint, _kind(checkpoint, path)), is_file=True)
    return Source(str(path), _class_named(checkpoint, chosen, None), is_file=True, config=chosen)


@dataclass(frozen=True)
class _Shape:
    """What diffusers asks of a tensor to tell kinds of checkpoints from each other."""

    shape: tuple[int, ...]


def _kind(checkpoint: str, path: Path) -> str:
    """The class of the pipeline that one file's weights belong to, by their names and shapes."""
    try:
        with safe_open(path, "pt") as opened:
            shapes: dict[str, Any] = {
                key: _Shape(tuple(opened.get_slice(key).get_shape()))
                for key in opened.keys()  # noqa: SIM118
            }
        kind = infer_diffusers_model_type(shapes)
    except Exception as error:  # safetensors raises its own type
        raise CheckpointError(f"checkpoint {checkpoint!r} cannot be opened: {first_line(error)}") from error
    if not any(_DENOISER_KEY.match(key) for key in shapes):
        raise CheckpointError(
            f"checkpoint {checkpoint!r} has no denoiser's weights, so it is no whole checkpoint; a LoRA belongs under "
            f"`loras:`, an image autoencoder under `vae:`"
        )
    return _SINGLE_FILE_KINDS.get(kind, kind)
