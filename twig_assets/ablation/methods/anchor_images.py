"""Images of the anchor, sampled from the model itself, as the latents that fine-tuning adds noise to."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twig_assets.ablation.errors import AnchorError, TrainingError
from twig_assets.ablation.methods.sampling import sampled
from twig_assets.files import written_whole
from twig_assets.generation import Pipeline
from twig_assets.generation.autoencoder import decode

_BATCH = 16
_STEPS = 25

IsCopy = Callable[[np.ndarray], np.ndarray]


def anchor_latents(
    pipeline: Pipeline, captions: Sequence[str], seed: int, is_copy: IsCopy | None = None
) -> tuple[torch.Tensor, list[str]]:
    """Sample one image per caption.

    The finished latents are used as they are: decoding them and encoding the picture again, as the reference code does,
    adds the autoencoder's error and nothing else.

    Args:
        pipeline: The unedited model.
        captions: n captions.
        seed: Of the starting noise.
        is_copy: uint8 images (n, H, W, 3) -> bool (n,): which of them reproduce the memorised picture. These are left
            out, together with their captions.

    Returns:
        float latents (m, C, h, w) and the m captions that are left.

    Raises:
        AnchorError: If every image is a copy.
    """
    kept, left = [], []
    for start in range(0, len(captions), _BATCH):
        chunk = captions[start : start + _BATCH]
        latents = sampled(pipeline, chunk, _STEPS, seed + start)
        copies = is_copy(decoded(pipeline, latents)) if is_copy else np.zeros(len(chunk), bool)
        kept.append(latents[torch.as_tensor(~copies, device=latents.device)])
        left += [caption for caption, copy in zip(chunk, copies, strict=True) if not copy]
    if not left:
        raise AnchorError(
            f"all {len(captions)} anchor images reproduce the memorised picture, for example {captions[0]!r}; choose "
            f"an anchor that has less to do with it"
        )
    return torch.cat(kept), left


def kept_anchor_latents(
    pipeline: Pipeline, captions: Sequence[str], seed: int, is_copy: IsCopy | None, path: Path | None, identity: str
) -> tuple[torch.Tensor, list[str]]:
    """As `anchor_latents`, but sampled once: a file keeps the outcome, since sampling costs more than training.

    Args:
        pipeline: See `anchor_latents`, as all that is not named here.
        captions: n captions.
        seed: Of the starting noise.
        is_copy: Which images to leave out.
        path: The file; nothing is kept when None.
        identity: What the training is of. A file of another one is sampled anew.

    Raises:
        AnchorError: If every image is a copy.
        TrainingError: If the file is damaged.
    """
    asked = hashlib.sha256(json.dumps([identity, seed, list(captions), is_copy is not None]).encode()).hexdigest()
    if path and path.exists():
        try:
            with safe_open(path, "pt") as opened:
                told = json.loads((opened.metadata() or {}).get("anchors", "{}"))
                if told.get("asked") == asked:
                    return opened.get_tensor("latents").to(pipeline.device), told["captions"]
        except SafetensorError as error:
            raise TrainingError(f"{path} holds no anchor images ({error}); delete it to sample them again") from error
    latents, left = anchor_latents(pipeline, captions, seed, is_copy)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        described = json.dumps({"asked": asked, "captions": left})
        with written_whole(path) as partial:
            save_file({"latents": latents.contiguous()}, partial, metadata={"anchors": described})
    return latents, left


def decoded(pipeline: Pipeline, latents: torch.Tensor) -> np.ndarray:
    """The pictures of finished latents: uint8 (n, H, W, 3)."""
    return decode(pipeline, latents).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
