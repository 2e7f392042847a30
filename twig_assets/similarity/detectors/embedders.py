"""Further sources of candidates: an SSCD file that the user brings, and CLIP.

Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022 (SSCD); Radford et al.,
"Learning Transferable Visual Models From Natural Language Supervision", ICML 2021 (CLIP).
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.similarity.corpus.index import Embedder
from twig_assets.similarity.verdicts.policy import Policy

SSCD = "sscd"
CLIP = "clip"
EMBEDDED_CLIP = "embedded"

# SSCD's models were trained on pictures normalised like ImageNet's.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class EmbedderError(RuntimeError):
    """A model that the policy names cannot be used; the message names the file and says what to do."""


def embedders_of(policy: Policy) -> dict[str, Embedder]:
    """The sources that a policy asks for, by name; none by default.

    Raises:
        EmbedderError: If a file is missing, is another one than the policy says, or is no such model.
    """
    found: dict[str, Embedder] = {}
    if policy.sscd_file is not None:
        found[SSCD] = _sscd(Path(policy.sscd_file), str(policy.sscd_sha256), policy.sscd_side)
    if policy.clip is not None:
        found[CLIP] = _clip(policy.clip)
    return found


def _sscd(file: Path, sha256: str, side: int) -> Embedder:
    """Open a TorchScript file whose hash is known.

    TorchScript is a program. torch runs it in an interpreter of its own that cannot import Python modules, but that is
    no sandbox for hostile files; so only the very file that the policy's author looked at is opened, from the bytes
    that were hashed.
    """
    import io

    import torch

    try:
        content = file.read_bytes()
    except OSError as error:
        raise EmbedderError(f"{file}: cannot be read ({error.strerror}); mend sscd_file in the policy") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise EmbedderError(f"{file}: its SHA-256 is {found}, the policy's sscd_sha256 is {sha256}; it is not opened")
    try:
        model = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise EmbedderError(f"{file}: is no TorchScript model ({error}); get SSCD's .torchscript.pt file") from error

    def embed(picture: np.ndarray) -> np.ndarray:
        pixels = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        normed = (np.asarray(pixels, np.float32) / 255 - _MEAN) / _DEVIATION
        with torch.inference_mode():
            vector = model(torch.from_numpy(normed.transpose(2, 0, 1)[None].copy()))
        return _unit(vector.float().numpy()[0])

    return embed


def _clip(source: str) -> Embedder:
    import torch

    from twig_assets.model_zoo import load_clip

    model, processor = load_clip(None if source == EMBEDDED_CLIP else Path(source))

    def embed(picture: np.ndarray) -> np.ndarray:
        given: Any = processor(images=Image.fromarray(picture), return_tensors="pt")
        with torch.inference_mode():
            hidden = model.vision_model(pixel_values=given["pixel_values"]).pooler_output
            vector = model.visual_projection(hidden)
        return _unit(vector.float().numpy()[0])

    return embed


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)
