"""Open a segmenter: the embedded one, one of Meta AI's Segment Anything files, or a SAM 2."""

import pickle
import zipfile
from pathlib import Path
from typing import Literal

import torch
from accelerate import init_empty_weights
from segment_anything import sam_model_registry

from twig_assets.model_zoo.load_sam import load_sam
from twig_assets.model_zoo.loading import ModelError
from twig_assets.segmentation.predictor import Segmenter
from twig_assets.segmentation.sam_2 import check_sam_2, load_sam_2

SegmenterKind = Literal["embedded", "vit_b", "vit_l", "vit_h", "sam2"]
_WIDTHS = {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}
_WIDTH_KEY = "image_encoder.patch_embed.proj.weight"
_HEADS = {"vit_b": 12, "vit_l": 16, "vit_h": 16}
# An image is 64 by 64 patches, each of which attends to each, in float32; three such tensors are there at once.
_BYTES_PER_HEAD = 3 * 4096**2 * 4


def load_segmenter(
    kind: SegmenterKind, checkpoint: Path | None = None, device: str = "cpu", revision: str | None = None
) -> Segmenter:
    """Open a segmenter for `segment`.

    Args:
        kind: `embedded`, the size of a Segment Anything checkpoint, or `sam2`.
        checkpoint: The `.pth` file of a `vit_*`; the folder or hub id of a `sam2`; for `embedded`, a folder to use in
            place of the package's own.
        device: Where it computes, as torch names it.
        revision: Of a hub id.

    Returns:
        The model in evaluation mode.

    Raises:
        ModelError: If the kind is unknown, or the file is missing, unreadable or of another kind.
    """
    if kind == "embedded":
        return load_sam(checkpoint).to(device)
    if kind == "sam2":
        return load_sam_2(_named(checkpoint), revision, device)
    state = _checked_state(kind, checkpoint)
    # Weights are drawn at random for nothing otherwise, which takes longer than reading the file.
    with init_empty_weights(include_buffers=False):
        sam = sam_model_registry[kind]()
    try:
        sam.load_state_dict({name: value.to(torch.float32, copy=True) for name, value in state.items()}, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{checkpoint}: weights of a {kind} are missing or too many; download it again.") from error
    return sam.eval().to(device)


def segmenter_device(kind: SegmenterKind, device: str | None) -> str:
    """Where a segmenter computes: where the campaign's model does; the embedded one, which is small, on the CPU.

    Args:
        kind: As for `load_segmenter`.
        device: What the campaign names; a GPU where there is one when None.
    """
    if kind == "embedded":
        return "cpu"
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def working_bytes(kind: SegmenterKind, checkpoint: Path | None) -> float:
    """About how much memory a Segment Anything of the first generation takes, weights included; 0 for the others.

    Args:
        kind: As for `load_segmenter`.
        checkpoint: As for `load_segmenter`; without its file, 0.
    """
    if kind not in _HEADS or checkpoint is None or not Path(checkpoint).is_file():
        return 0.0
    # The file is mapped, and copied.
    return 2.0 * Path(checkpoint).stat().st_size + _HEADS[kind] * _BYTES_PER_HEAD


def check_segmenter(kind: SegmenterKind, checkpoint: Path | None = None, revision: str | None = None) -> None:
    """Refuse a segmenter's file for what it says it holds; the weights themselves are not read.

    Args:
        kind: As for `load_segmenter`.
        checkpoint: As for `load_segmenter`.
        revision: As for `load_segmenter`.

    Raises:
        ModelError: If the kind is unknown, or the file is missing, unreadable or of another kind.
    """
    if kind == "sam2":
        check_sam_2(_named(checkpoint), revision)
    elif kind != "embedded":
        _checked_state(kind, checkpoint)


def _named(checkpoint: Path | None) -> str:
    if checkpoint is None:
        raise ModelError("segmenter sam2 needs a checkpoint; give the folder or hub id of a SAM 2.")
    return str(checkpoint)


def _checked_state(kind: str, checkpoint: Path | None) -> dict[str, torch.Tensor]:
    """The weights of a `vit_*`; they are read from the file when they are used."""
    if kind not in _WIDTHS:
        raise ModelError(f"segmenter kind {kind!r} is unknown; choose embedded, {', '.join(_WIDTHS)}, sam2.")
    if checkpoint is None:
        raise ModelError(f"segmenter {kind} needs a checkpoint; give the path of its .pth file.")
    state = _read_state(Path(checkpoint))
    _check_width(state, kind, Path(checkpoint))
    return state


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; give the path of a Segment Anything .pth file.")
    try:
        # Files of the old format, which is no zip archive, cannot be mapped.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ModelError(f"{path}: not a readable file of plain weights ({reason}); download it again.") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{path}: holds something else than named weights; give a Segment Anything .pth file.")
    return state


def _check_width(state: dict[str, torch.Tensor], kind: str, path: Path) -> None:
    if _WIDTH_KEY not in state:
        raise ModelError(f"{path}: not a Segment Anything checkpoint, {_WIDTH_KEY} is missing; give another file.")
    width = state[_WIDTH_KEY].shape[0]
    if width != _WIDTHS[kind]:
        fits = [name for name, value in _WIDTHS.items() if value == width]
        advice = f"it is a {fits[0]}, set the segmenter's kind to that" if fits else "give another file"
        raise ModelError(f"{path}: not a {kind} checkpoint; {advice}.")
