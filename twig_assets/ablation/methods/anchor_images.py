"""Images of the anchor, sampled from the model itself, as the latents that fine-tuning adds noise to."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twig_assets.ablation.errors import AnchorError, TrainingError
from twig_assets.ablation.methods.method import IsCopy
from twig_assets.files import written_whole
from twig_assets.generation import Pipeline, family_of
from twig_assets.generation.sampling import Guidance, denoise

_BATCH = 16
_STEPS = 25
_GUIDANCE = 3.0


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
            out, together with their captions. All are kept when None.

    Returns:
        float latents (m, C, h, w), m at most n, and their m captions.

    Raises:
        AnchorError: If every image is a copy, or the model draws NaN.
    """
    kept_latents, kept_captions = [], []
    for start in range(0, len(captions), _BATCH):
        chunk = captions[start : start + _BATCH]
        latents = sampled(pipeline, chunk, _STEPS, seed + start)
        if not torch.isfinite(latents).all():
            raise AnchorError(f"the model draws NaN for {chunk[0]!r}; open it in bfloat16 or float32")
        copied = is_copy(decoded(pipeline, latents)) if is_copy else np.zeros(len(chunk), bool)
        kept_latents.append(latents[torch.as_tensor(~copied, device=latents.device)])
        kept_captions += [caption for caption, is_copied in zip(chunk, copied, strict=True) if not is_copied]
    if not kept_captions:
        raise AnchorError(
            f"all {len(captions)} anchor images reproduce the memorised picture, for example {captions[0]!r}; choose "
            f"an anchor that has less to do with it"
        )
    return torch.cat(kept_latents), kept_captions


def kept_anchor_latents(
    pipeline: Pipeline, captions: Sequence[str], seed: int, is_copy: IsCopy | None, path: Path | None, identity: str
) -> tuple[torch.Tensor, list[str]]:
    """`anchor_latents`, sampled once and kept in a file, since sampling costs more than training.

    Args:
        pipeline: The unedited model.
        captions: n captions.
        seed: Of the starting noise.
        is_copy: Which images to leave out.
        path: The file; nothing is kept when None.
        identity: `identity_of` the training. For a file of another training, images are sampled again.

    Raises:
        AnchorError: If every image is a copy.
        TrainingError: If the file is damaged.
    """
    request = json.dumps([identity, seed, list(captions), is_copy is not None])
    request_sha256 = hashlib.sha256(request.encode()).hexdigest()
    if path and path.exists():
        try:
            with safe_open(path, "pt") as opened:
                header = json.loads((opened.metadata() or {}).get("anchors", "{}"))
                if header.get("asked") == request_sha256:
                    return opened.get_tensor("latents").to(family_of(pipeline).device), header["captions"]
        except SafetensorError as error:
            raise TrainingError(f"{path} holds no anchor images ({error}); delete it to sample them again") from error
    latents, kept = anchor_latents(pipeline, captions, seed, is_copy)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"asked": request_sha256, "captions": kept})
        with written_whole(path) as partial:
            save_file({"latents": latents.contiguous()}, partial, metadata={"anchors": header})
    return latents, kept


@torch.no_grad()
def sampled(pipeline: Pipeline, prompts: Sequence[str], steps: int, seed: int) -> torch.Tensor:
    """Sample each prompt once with classifier-free guidance; what comes out is what encoding the image would give.

    Args:
        pipeline: The model.
        prompts: n prompts.
        steps: Denoising steps, at least 1.
        seed: Of the starting noise.

    Returns:
        The finished latents, (n, C, h, w).
    """
    family = family_of(pipeline)
    generator = torch.Generator().manual_seed(seed)
    noise = family.starting_noise([generator] * len(prompts), family.native_size)
    # The empty prompt also where the family guides from something else, as Stable Diffusion XL does.
    unconditional = family.encode([""] * len(prompts))
    return denoise(family, family.encode(prompts), noise, steps, Guidance(_GUIDANCE), unconditional=unconditional)


def decoded(pipeline: Pipeline, latents: torch.Tensor) -> np.ndarray:
    """The images of finished latents (n, C, h, w): uint8 (n, H, W, 3)."""
    images = family_of(pipeline).decode(latents)
    return images.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
