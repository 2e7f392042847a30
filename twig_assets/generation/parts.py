"""Parts of a model that take the place of the checkpoint's own: its scheduler, its image autoencoder; and LoRAs."""

import inspect
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoModel, SchedulerMixin

from twig_assets.generation.errors import CheckpointError, first_line
from twig_assets.generation.family import Capability, Pipeline, family_of
from twig_assets.generation.schedulers import is_flow
from twig_assets.generation.sources import is_hub_id, located
from twig_assets.settings.opening import LoraSettings, OpeningSettings, SchedulerSettings


def check_parts(opening: OpeningSettings, folder: Path | None) -> None:
    """Refuse parts that no checkpoint can have, and those that are not there, before its weights are read.

    Args:
        opening: The settings.
        folder: What relative names are relative to.

    Raises:
        CheckpointError: With what to write instead, a line for each part.
    """
    named = [("vae", opening.vae)] if opening.vae else []
    named += [("lora", lora.path) for lora in opening.loras]
    problems = [
        f"{kind} {name!r} is not there; give the path of a file or folder, relative to {folder or Path.cwd()}, or a "
        f"hub id"
        for kind, name in named
        if located(name, folder) is None and not is_hub_id(name)
    ]
    if opening.scheduler:
        try:
            _scheduler_class(opening.scheduler)
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError("\n".join(problems))


def exchange_parts(pipeline: Pipeline, opening: OpeningSettings, folder: Path | None) -> None:
    """Give a pipeline the scheduler, the autoencoder and the LoRAs that the settings name.

    Args:
        pipeline: The pipeline, which is changed.
        opening: The settings.
        folder: What relative names are relative to.

    Raises:
        CheckpointError: If one cannot be opened or does not fit the model.
    """
    if opening.scheduler:
        pipeline.scheduler = _scheduler(pipeline.scheduler, opening.scheduler)
    if opening.vae:
        pipeline.register_modules(vae=_autoencoder(pipeline.vae, opening.vae, folder))
    for lora in opening.loras:
        _merge(pipeline, lora, folder)


def _scheduler_class(chosen: SchedulerSettings) -> Any:
    found = getattr(diffusers, chosen.name, None)
    if not (inspect.isclass(found) and issubclass(found, SchedulerMixin)):
        raise CheckpointError(
            f"scheduler: diffusers has no scheduler {chosen.name!r} on this machine; write for example "
            f"DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler or DDIMScheduler"
        )
    unknown = sorted(chosen.settings.keys() - inspect.signature(found.__init__).parameters.keys())
    if unknown:
        raise CheckpointError(f"scheduler: a {chosen.name} has no setting {', '.join(unknown)}; delete it")
    return found


def _scheduler(own: Any, chosen: SchedulerSettings) -> Any:
    try:
        scheduler = _scheduler_class(chosen).from_config(own.config, **chosen.settings)
    except (ValueError, TypeError, NotImplementedError, ImportError) as error:
        raise CheckpointError(f"scheduler: {chosen.name} cannot be used: {first_line(error)}") from error
    if is_flow(scheduler) != is_flow(own):
        kind = "flow matching" if is_flow(own) else "diffusion"
        raise CheckpointError(
            f"scheduler: the checkpoint is a {kind} model, which {chosen.name} with these settings does not draw with; "
            f"leave it out to draw with the checkpoint's own {type(own).__name__}"
        )
    return scheduler


def _autoencoder(own: Any, name: str, folder: Path | None) -> Any:
    path = located(name, folder)
    try:
        if path is not None and path.is_file():
            vae = AutoencoderKL.from_single_file(str(path), config=dict(own.config), dtype=own.dtype)
        else:
            vae = AutoModel.from_pretrained(str(path or name), dtype=own.dtype, use_safetensors=True)
    except Exception as error:  # diffusers, the hub client and safetensors raise many unrelated types
        raise CheckpointError(
            f"vae {name!r} cannot be opened: {first_line(error)}. Give a folder that `save_pretrained` wrote, a "
            f"`.safetensors` file, or a hub id this machine can reach."
        ) from error
    given, needed = _channels(vae), _channels(own)
    if given is None or given != needed:
        raise CheckpointError(
            f"vae {name!r} is a {type(vae).__name__} with {given} channels; the checkpoint's denoiser needs {needed}"
        )
    return vae.eval()


def _channels(vae: Any) -> int | None:
    channels = vae.config.get("latent_channels", vae.config.get("z_dim"))
    return None if channels is None else int(channels)


@torch.no_grad()
def _merge(pipeline: Pipeline, lora: LoraSettings, folder: Path | None) -> None:
    family_of(pipeline).require(Capability.LORA, "a LoRA")
    path = located(lora.path, folder)
    source: tuple[str, dict[str, Any]] = (lora.path, {"revision": lora.revision})
    if path is not None and path.is_file():
        source = str(path.parent), {"weight_name": path.name}
    elif path is not None:
        source = str(path), {}
    if lora.file:
        source[1]["weight_name"] = lora.file
    try:
        pipeline.load_lora_weights(source[0], adapter_name="merged", use_safetensors=True, **source[1])
        if not pipeline.get_list_adapters():
            raise ValueError("it changes nothing in this model, so it belongs to another kind")
        pipeline.fuse_lora(components=list(pipeline.get_list_adapters()), lora_scale=lora.weight)
        pipeline.unload_lora_weights()
    except Exception as error:  # diffusers, peft, the hub client and safetensors raise many unrelated types
        raise CheckpointError(
            f"lora {lora.path!r} cannot be merged: {first_line(error)}. Give a `.safetensors` file for this kind of "
            f"model, a folder with one, or a hub id this machine can reach."
        ) from error
