"""SAM 2 (Ravi et al. 2024, arXiv 2408.00714) through transformers: opening, checking and asking it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Sam2Model, Sam2Processor

from twig_assets.model_zoo.loading import ModelError
from twig_assets.segmentation.sam_1 import resized

# Those of the hub are named after the whole model, which follows objects through films; of it only the part for
# single images is read.
_KINDS = ("sam2", "sam2_video")
_SMALL, _WEIGHTS = "*.json", "*.safetensors"


class Sam2(torch.nn.Module):
    """A SAM 2, with what brings images into the form that it takes."""

    def __init__(self, model: Any, image_processor: Any) -> None:
        super().__init__()
        self.model, self.image_processor = model, image_processor


def load_sam_2(checkpoint: str, revision: str | None, device: str) -> Sam2:
    """Open a SAM 2 in float32, in evaluation mode.

    Args:
        checkpoint: A folder that `save_pretrained` wrote with its processor, or a hub id.
        revision: Of a hub id.
        device: Where it computes.

    Raises:
        ModelError: If it cannot be found or read, or is something else.
    """
    folder = check_sam_2(checkpoint, revision, weights=True)
    try:
        # With output_loading_info it returns a pair, which its annotation leaves out.
        opened: Any = Sam2Model.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers and safetensors raise many unrelated types
        raise ModelError(f"segmenter {checkpoint}: {_first_line(error)}; save or download it again.") from error
    model, loading = opened
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"segmenter {checkpoint}: {len(missing)} weights are missing, {missing[0]} among them.")
    processor: Any = Sam2Processor.from_pretrained(folder, local_files_only=True)
    return Sam2(model.eval().to(device), processor.image_processor)


def check_sam_2(checkpoint: str, revision: str | None, *, weights: bool = False) -> Path:
    """Refuse, by its small files, what is no SAM 2; and return the folder with its files.

    Args:
        checkpoint: As for `load_sam_2`.
        revision: As for `load_sam_2`.
        weights: Whether a repository's weights are fetched too.

    Raises:
        ModelError: With what to give instead.
    """
    folder = _folder(checkpoint, revision, weights)
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"segmenter {checkpoint}: config.json cannot be read ({error}); save it again.") from error
    if kind not in _KINDS:
        raise ModelError(f"segmenter {checkpoint}: is a {kind!r}; give a SAM 2, or set another kind.")
    try:
        processor = Sam2Processor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many unrelated types
        raise ModelError(
            f"segmenter {checkpoint}: its processor cannot be opened: {_first_line(error)}; save it whole."
        ) from error
    if not hasattr(processor, "image_processor"):
        raise ModelError(f"segmenter {checkpoint}: has no image processor; save its whole processor.")
    if Path(checkpoint).expanduser().is_dir() and not list(folder.glob(_WEIGHTS)):
        raise ModelError(f"segmenter {checkpoint}: has no safetensors weights; save it with safetensors.")
    return folder


def _folder(checkpoint: str, revision: str | None, weights: bool) -> Path:
    local = Path(checkpoint).expanduser()
    if local.is_dir():
        if revision:
            raise ModelError(f"segmenter {checkpoint}: is a folder, which has no revisions; delete revision.")
        return local
    from huggingface_hub import snapshot_download

    try:
        patterns = [_SMALL, _WEIGHTS] if weights else [_SMALL]
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises many unrelated types
        raise ModelError(
            f"segmenter {checkpoint}: is no folder, and cannot be had from the model hub: {_first_line(error)}. Give a "
            f"folder with a SAM 2, or a hub id this machine can reach."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class Sam2Masks:
    """See `MaskPredictor`. Its images are squares that the picture is stretched to.

    Args:
        sam: What `load_sam_2` opened.
        size: Height and width of the images.
    """

    cut = 0.0

    def __init__(self, sam: Sam2, size: tuple[int, int]) -> None:
        self._sam, self._prepared, self._size = sam.model, sam.image_processor, size
        self._side = self._sam.prompt_encoder.input_image_size
        self._positions = self._sam.get_image_wide_positional_embeddings()
        self._features: list[torch.Tensor] = []

    def embedded_points(self, points: np.ndarray) -> torch.Tensor:
        """See `MaskPredictor`."""
        return self._embedded(points=points[:, None])

    def look_at(self, image: np.ndarray) -> None:
        """See `MaskPredictor`."""
        pixels = self._prepared(images=image, return_tensors="pt")["pixel_values"]
        self._features = self._sam.get_image_embeddings(pixels.to(self._sam.device, self._sam.dtype))

    def answers(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `MaskPredictor`."""
        *fine, image = self._features
        dense = self._sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(image)
        logits, iou, *_ = self._sam.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self._positions,
            sparse_prompt_embeddings=prompts[None],
            dense_prompt_embeddings=dense,
            multimask_output=True,
            high_resolution_features=fine,
        )
        return logits[0].flatten(0, 1).float(), iou[0].flatten(0, 1).float()

    def at_size(self, logits: torch.Tensor) -> torch.Tensor:
        """See `MaskPredictor`."""
        return resized(logits, self._size)

    def pointed_at(self, prompt: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """See `MaskPredictor`."""
        points = prompt["point_coords"][None] if "point_coords" in prompt else None
        boxes = prompt["box"].reshape(1, 2, 2) if "box" in prompt else None
        logits, iou = self.answers(self._embedded(points, boxes))
        return (self.at_size(logits) > self.cut).cpu().numpy(), iou.cpu().numpy()

    @torch.no_grad()
    def _embedded(self, points: np.ndarray | None = None, boxes: np.ndarray | None = None) -> torch.Tensor:
        """Prompts (n, k, c) of points (n, m, 2) or of boxes' corners (n, 2, 2), or of both, in pixels."""
        at = None if points is None else self._scaled(points)
        labels = None if at is None else torch.ones(at.shape[:3], dtype=torch.int, device=at.device)
        corners = None if boxes is None else self._scaled(boxes).flatten(2)
        prompts: torch.Tensor = self._sam.get_prompt_embeddings(at, labels, corners)[0][0]
        return prompts

    def _scaled(self, pixels: np.ndarray) -> torch.Tensor:
        """Places (n, m, 2) in the model's square, (1, n, m, 2)."""
        height, width = self._size
        scale = np.array([self._side / width, self._side / height])
        return torch.as_tensor(pixels * scale, dtype=self._sam.dtype, device=self._sam.device)[None]
