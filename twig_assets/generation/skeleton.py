"""A model without its weights: every component by its configuration alone, so that what fits can be told in seconds.

Networks are made on torch's device `meta`, where tensors have a shape and no content. Schedulers and tokenizers are
small, and are opened as they are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from twig_assets.generation.checkpoints import EMBEDDED, default_dtype, with_revision
from twig_assets.generation.errors import CheckpointError, first_line
from twig_assets.generation.family import ModelFamily, Pipeline, family_of
from twig_assets.generation.memory import check_memory
from twig_assets.generation.parts import check_parts, exchange_parts
from twig_assets.generation.sources import Source, find_source
from twig_assets.generation.weight_files import file_problem, folder_problems
from twig_assets.model_zoo import load_pipeline
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.settings.opening import OpeningSettings


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A model whose weights were not read.

    Attributes:
        pipeline: The pipeline, with networks that have no content; it cannot draw.
        family: Its family; schedulers and noise are made on the CPU.
        dtype: The number format in which the weights would be opened.
        weights_bytes: What the weights take in memory in that format.
        problems: Why it could not be opened all the same, a line each.
    """

    pipeline: Pipeline
    family: ModelFamily
    dtype: torch.dtype
    weights_bytes: int
    problems: tuple[str, ...] = ()


def skeleton(checkpoint: str, folder: Path | None = None, opening: OpeningSettings | None = None) -> Skeleton:
    """What `load_checkpoint` would open, without its weights; LoRAs and another autoencoder are left out.

    What is wrong with the weights' files or with parts is among its `problems`, so that the rest can be looked at too.
    The embedded flow-matching model shares parts with others, is small, and is opened as it is.

    Args:
        checkpoint: As `load_checkpoint` takes it.
        folder: What relative names are relative to.
        opening: How it would be opened; the defaults when None.

    Raises:
        CheckpointError: As `load_checkpoint` does; also where a configuration alone is not enough to know.
    """
    opening, problems = opening or OpeningSettings(), list[str]()
    if checkpoint not in EMBEDDED:
        source, revision = _source(checkpoint, folder, opening)
        pipeline = _assembled(checkpoint, source, revision)
        problems += _weights_problems(source, pipeline)
    elif EMBEDDED[checkpoint] == "flow":
        pipeline = load_pipeline("flow")
    else:
        pipeline = _assembled(checkpoint, find_source(str(WEIGHTS / "pipeline"), None, None, None), None)
    for look in (
        lambda: check_memory(opening.device or _usual_device(checkpoint), opening.memory),
        lambda: check_parts(opening, folder),
        lambda: exchange_parts(pipeline, opening.model_copy(update={"loras": (), "vae": None}), folder),
    ):
        try:
            look()
        except CheckpointError as error:
            problems += [line for line in str(error).splitlines() if line not in problems]
    dtype = getattr(torch, opening.dtype) if opening.dtype else _usual_dtype(checkpoint, opening)
    bytes_taken = _parameters(pipeline) * dtype.itemsize
    return Skeleton(pipeline, _on_the_cpu(pipeline), dtype, bytes_taken, tuple(problems))


def _source(checkpoint: str, folder: Path | None, opening: OpeningSettings) -> tuple[Source, str | None]:
    """Where a checkpoint lies, and its revision."""
    name, revision = with_revision(checkpoint, folder, opening)
    source = find_source(name, folder, revision, opening.config)
    if source.is_file and source.config is None:
        raise CheckpointError(
            f"checkpoint {checkpoint!r} is one file without configurations; name them as `config:` so that they can be "
            f"checked"
        )
    return source, revision


def _weights_problems(source: Source, pipeline: Pipeline) -> list[str]:
    """What is wrong with the weights' files; of a repository on the hub they are not looked at."""
    where = Path(source.where)
    if source.is_file:
        problem = file_problem(where)
        return [problem] if problem else []
    networks = [name for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)]
    return folder_problems(where, networks, source.variant) if where.is_dir() else []


def _on_the_cpu(pipeline: Pipeline) -> ModelFamily:
    """A pipeline's family, for which everything but its networks is on the CPU."""
    family = type(family_of(pipeline))
    cpu = property(lambda self: torch.device("cpu"))
    on_the_cpu: type[ModelFamily] = type(family.__name__, (family,), {"device": cpu})
    return on_the_cpu(pipeline)


def _usual_dtype(checkpoint: str, opening: OpeningSettings) -> torch.dtype:
    there = opening.device or _usual_device(checkpoint)
    return torch.float32 if checkpoint in EMBEDDED else default_dtype(there)


def _usual_device(checkpoint: str) -> str:
    return "cuda" if torch.cuda.is_available() and checkpoint not in EMBEDDED else "cpu"


def _parameters(pipeline: Pipeline) -> int:
    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def _assembled(checkpoint: str, source: Source, revision: str | None) -> Pipeline:
    pipeline_class: Any = getattr(diffusers, source.pipeline_class)
    where = source.config or source.where
    try:
        index = DiffusionPipeline.load_config(where, revision=revision)
        parts = {
            name: _component(entry, where, name, revision)
            for name, entry in index.items()
            if isinstance(entry, list | tuple) and len(entry) == 2 and not name.startswith("_")
        }
        options = {
            name: value
            for name, value in index.items()
            if not name.startswith("_") and name not in parts and name != "requires_safety_checker"
        }
        # A safety checker is no part of what fits.
        parts |= {name: None for name in ("safety_checker",) if name in parts}
        checker = {"requires_safety_checker": False} if "safety_checker" in parts else {}
        pipeline = pipeline_class(**parts, **options, **checker)
    except Exception as error:  # diffusers, transformers, the hub client and json raise many unrelated types
        raise CheckpointError(
            f"checkpoint {checkpoint!r} cannot be opened: {first_line(error)}. Its configurations are incomplete, or "
            f"of another version of diffusers; save or download it again."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _component(entry: Any, where: str, name: str, revision: str | None) -> Any:
    library, class_name = entry
    if class_name is None or name == "safety_checker":
        return None
    home: Any = {"diffusers": diffusers, "transformers": transformers}.get(library, diffusers)
    component: Any = getattr(home, class_name)
    if _is_a(component, diffusers.ModelMixin):
        with torch.device("meta"):
            return component.from_config(component.load_config(where, subfolder=name, revision=revision)).eval()
    if _is_a(component, transformers.PreTrainedModel):
        config = component.config_class.from_pretrained(where, subfolder=name, revision=revision or "main")
        with torch.device("meta"):
            return component(config).eval()
    return component.from_pretrained(where, subfolder=name, **({"revision": revision} if revision else {}))


def _is_a(component: Any, base: type) -> bool:
    return isinstance(component, type) and issubclass(component, base)
