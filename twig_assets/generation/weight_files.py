"""Whether the files with a checkpoint's weights are there and whole, by their names, headers and lengths alone."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

_HEADER_LENGTH = 8
_AGAIN = "download or save it again"


def folder_problems(folder: Path, components: Iterable[str], variant: str | None = None) -> list[str]:
    """What is wrong with the weights in the folder of a pipeline, a line for each.

    Args:
        folder: What `save_pretrained` wrote.
        components: Names of the networks; each has a folder of its own.
        variant: Such as `fp16`, where files of that variant are read.
    """
    return [problem for name in components for problem in _component_problems(folder / name, variant)]


def file_problem(path: Path) -> str | None:
    """What is wrong with a `.safetensors` file; None if it is as long as its header says.

    The header of a safetensors file is its length in eight bytes, and that many bytes of JSON with the places of all
    tensors behind it.
    """
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            described = int.from_bytes(file.read(_HEADER_LENGTH), "little")
            if described > length:
                return f"{path}: is no safetensors file, or only its beginning; {_AGAIN}"
            header = json.loads(file.read(described))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return f"{path}: cannot be read as a safetensors file; {_AGAIN}"
    whole = _HEADER_LENGTH + described + max(ends, default=0)
    return None if length == whole else f"{path}: has {length:,} bytes of {whole:,}; {_AGAIN}"


def _component_problems(folder: Path, variant: str | None) -> Iterator[str]:
    # Of a component that is not there in the variant, the usual files are read.
    special = bool(variant) and any(folder.glob(f"*.{variant}*.safetensors"))
    files, indexes = (
        sorted(file for file in folder.glob(pattern) if (f".{variant or 'fp16'}" in file.name) == special)
        for pattern in ("*.safetensors", "*.safetensors.index*.json")
    )
    missing = sorted({part for index in indexes for part in _parts_named(index)} - {file.name for file in files})
    if missing:
        yield f"{folder}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; {_AGAIN}"
    elif not files:
        yield (
            f"{folder}: there is no .safetensors file with weights; {_AGAIN}, in that form: others can hold programs, "
            f"so they are not read"
        )
    yield from (problem for file in files if (problem := file_problem(file)))


def _parts_named(index: Path) -> set[str]:
    """The files that an index of weights in several files names; of one that cannot be read, the index's own name."""
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {index.name}
