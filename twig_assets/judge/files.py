"""Where a judge's files are, and what they hold, without a model library: sensors ask for a judge's hash too."""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.catalog.hashing import sha256_file
from twig_assets.settings.judge import JudgeSettings

_PATTERNS = ["*.json", "*.txt", "*.model", "*.safetensors"]
_WEIGHTS = ".safetensors"
# What saving the same model again may change, without a bearing on what it computes.
_VOLATILE = {"transformers_version", "_name_or_path", "dtype", "torch_dtype"}
_WIDENED = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


class JudgeError(ValueError):
    """A judge that is missing, unreadable or of a kind that cannot judge; the message says what to do."""


def judge_folder(judge: JudgeSettings, folder: Path | None = None, *, weights: bool = True) -> Path:
    """The folder with a judge's files; those of a repository are fetched once.

    Args:
        judge: A judge of the user's.
        folder: What a relative folder name is relative to; the working directory when None.
        weights: Whether a repository's weights are fetched too.

    Raises:
        JudgeError: If there is no such folder, and no such repository that this machine can reach.
    """
    local = (folder or Path()) / Path(judge.checkpoint).expanduser()
    if local.is_dir():
        if judge.revision:
            raise JudgeError(f"judge {judge.checkpoint!r} is a folder, which has no revisions; delete revision")
        return local
    try:
        return _fetched(judge.checkpoint, judge.revision, weights)
    except Exception as error:  # the hub's client raises many unrelated types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JudgeError(
            f"judge {judge.name!r} is no folder below {folder or Path.cwd()}, and cannot be had from the model hub: "
            f"{reason}. Give `embedded`, `none`, a folder with a CLIP or SigLIP, or a hub id this machine can reach."
        ) from error


@lru_cache(maxsize=8)
def _fetched(repository: str, revision: str | None, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [pattern for pattern in _PATTERNS if weights or not pattern.endswith(_WEIGHTS)]
    return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))


def configuration(folder: Path) -> dict[str, Any]:
    """A judge's `config.json`.

    Raises:
        JudgeError: If it is missing or no JSON object.
    """
    try:
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JudgeError(f"judge {folder}: config.json cannot be read ({error}); save or download it again") from error
    if not isinstance(read, dict):
        raise JudgeError(f"judge {folder}: config.json holds no configuration; save or download it again")
    return read


def weights_files(folder: Path) -> list[Path]:
    """A judge's safetensors files.

    Raises:
        JudgeError: If there is none.
    """
    found = sorted(folder.glob(f"*{_WEIGHTS}"))
    if not found:
        raise JudgeError(f"judge {folder} has no safetensors weights; save it with safetensors")
    return found


def weights_sha256(folder: Path) -> str:
    """Hash of a judge's weights as they are computed with, in float32: whatever format or files they are stored in."""
    return _weights_sha256(tuple((file, *_stamp(file)) for file in weights_files(folder)))


@lru_cache(maxsize=8)
def _weights_sha256(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, kind, shape, content in sorted(_tensors(file for file, _, _ in files), key=itemgetter(0)):
        digest.update(f"{name}:{shape}".encode())
        digest.update(_widened(kind, content))
    return digest.hexdigest()


def _tensors(files: Iterable[Path]) -> Iterable[tuple[str, str, tuple[int, ...], np.ndarray]]:
    """Name, format, shape and bytes, uint8 (n,), of every tensor."""
    for file in files:
        content = np.memmap(file, np.uint8, "r")
        size = int.from_bytes(content[:8].tobytes(), "little")
        header = json.loads(content[8 : 8 + size].tobytes())
        for name, tensor in header.items():
            if name != "__metadata__":
                start, end = tensor["data_offsets"]
                yield name, tensor["dtype"], tuple(tensor["shape"]), content[8 + size + start : 8 + size + end]


def _widened(kind: str, content: np.ndarray) -> bytes:
    """The bytes of a tensor, uint8 (n,), in float32; those of numbers that are not fractions as they are."""
    stored = content.tobytes()
    if kind == "BF16":
        return (np.frombuffer(stored, "<u2").astype("<u4") << 16).tobytes()
    if kind in _WIDENED:
        return np.frombuffer(stored, _WIDENED[kind]).astype("<f4").tobytes()
    return stored


def other_files(folder: Path) -> dict[str, str]:
    """Hash of every configuration, tokenizer and processor file, by name; without what saving again may change."""
    found = sorted(file for pattern in _PATTERNS for file in folder.glob(pattern) if file.suffix != _WEIGHTS)
    return {file.name: _content(file, *_stamp(file)) for file in found if not file.name.endswith(".index.json")}


@lru_cache(maxsize=256)
def _content(file: Path, size: int, changed: int) -> str:
    if file.suffix != ".json" or size > 1_000_000:
        return sha256_file(file)
    try:
        settled = _settled(json.loads(file.read_text(encoding="utf-8")))
    except ValueError:
        return sha256_file(file)
    return hashlib.sha256(json.dumps(settled, sort_keys=True).encode()).hexdigest()


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settled(inner) for key, inner in value.items() if key not in _VOLATILE}
    return [_settled(inner) for inner in value] if isinstance(value, list) else value


def _stamp(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns
