"""Checkpoints with random weights, written tensor by tensor: a model of many gigabytes never lies in memory.

Networks are made on torch's device `meta`, so that their configurations alone say what is in them. Numbers are drawn so
that signals neither grow nor vanish on their way (LeCun et al. 1998, section 4.6), which keeps pictures finite.
"""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from twig_assets.files import written_whole
from twig_assets.generation import Pipeline

_BYTES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def write_pipeline(pipeline: Pipeline, folder: Path, dtype: torch.dtype, seed: int = 0) -> int:
    """Write a pipeline as `save_pretrained` would, with random weights.

    Args:
        pipeline: Its networks are on the device `meta`.
        folder: Replaced when it is whole; a folder that is there already is complete, and left as it is.
        dtype: Number format of the weights.
        seed: Of the weights; the same seed gives the same bytes.

    Returns:
        Bytes of all files.
    """
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        pipeline.save_config(partial)
        for i, (name, part) in enumerate(sorted(pipeline.components.items())):
            if isinstance(part, torch.nn.Module):
                _write_network(part, partial / name, dtype, seed + i)
            elif part is not None:
                part.save_pretrained(partial / name)
        partial.rename(folder)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _write_network(network: Any, folder: Path, dtype: torch.dtype, seed: int) -> None:
    of_diffusers = hasattr(network, "save_config")
    if of_diffusers:
        network.save_config(folder)
    else:
        network.config.architectures = [type(network).__name__]
        network.config.save_pretrained(folder)
    write_weights(network, folder / f"{'diffusion_pytorch_' if of_diffusers else ''}model.safetensors", dtype, seed)


def write_weights(network: torch.nn.Module, path: Path, dtype: torch.dtype, seed: int) -> None:
    """Write a network of the device `meta` as one safetensors file with random weights."""
    shapes = {name: (value.shape, dtype if value.is_floating_point() else value.dtype) for name, value in _own(network)}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (shape, kind) in shapes.items():
        begin, end = end, end + math.prod(shape) * kind.itemsize
        header[name] = {"dtype": _BYTES[kind], "shape": list(shape), "data_offsets": [begin, end]}
    described = json.dumps(header).encode()
    described += b" " * (-len(described) % 8)
    with written_whole(path) as partial, partial.open("wb") as file:
        file.write(len(described).to_bytes(8, "little") + described)
        for i, (name, (shape, kind)) in enumerate(shapes.items()):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + i)
            tensor = random_tensor(name, shape, generator).to(kind)
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)


def _own(network: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """What a file of the network holds: of tensors that are tied, the first name alone."""
    parameters, everything = dict(network.named_parameters()), dict(network.named_parameters(remove_duplicate=False))
    for name, value in network.state_dict().items():
        if name in parameters or name not in everything:
            yield name, value


def random_tensor(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Random numbers for a weight, float32.

    Args:
        name: Of the parameter or buffer; biases and means are 0, scales of norms and variances 1.
        shape: Of a matrix or kernel the first is its outputs.
        generator: On the CPU.
    """
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked" or last in ("bias", "running_mean"):
        return torch.zeros(shape)
    if last == "running_var" or (last == "weight" and len(shape) == 1):
        return torch.ones(shape)
    inputs = math.prod(shape[1:]) if len(shape) > 1 else shape[0]
    return torch.randn(shape, generator=generator) / math.sqrt(max(1, inputs))
