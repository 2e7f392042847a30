"""Vectors of the embedded judge's captions, computed once and shipped: there are thousands, and texts do not change.

`python -m twig_assets.bench.models.calibrate_judge` writes them. They are tied to the text tower and to the captions by
a hash, and are not used with any other.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from twig_assets.judge.clip import Clip, text_features

FILE = Path(__file__).parent / "embedded_captions.safetensors"
_NAME, _MADE_FROM = "captions", "made_from"


def caption_features(clip: Clip, captions: Sequence[str], file: Path = FILE) -> np.ndarray:
    """Unit vectors (n, d) of captions, float32: those of the file where it was made from the same, else computed."""
    if file.is_file():
        with safe_open(file, framework="numpy") as shipped:
            if (shipped.metadata() or {}).get(_MADE_FROM) == _origin(clip, captions):
                stored: np.ndarray = shipped.get_tensor(_NAME)
                return stored.astype(np.float32)
    return text_features(clip, captions)


def write_captions(clip: Clip, captions: Sequence[str], file: Path = FILE) -> None:
    """Compute the vectors of captions and keep them, in half the precision, with what they were made from."""
    halved = text_features(clip, captions).astype(np.float16)
    save_file({_NAME: halved}, file, metadata={_MADE_FROM: _origin(clip, captions)})


def _origin(clip: Clip, captions: Sequence[str]) -> str:
    """A hash of the captions, of how they are read and of the weights that read them."""
    model, processor = clip
    digest = hashlib.sha256("\n".join(captions).encode())
    digest.update(repr(sorted(processor.tokenizer.get_vocab().items())).encode())
    # A SigLIP has no projection of its own.
    parts = [model.text_model, *([model.text_projection] if hasattr(model, "text_projection") else [])]
    weights = [weight for part in parts for weight in part.state_dict().items()]
    for name, weight in weights:
        digest.update(name.encode() + weight.float().cpu().numpy().tobytes())
    return digest.hexdigest()
