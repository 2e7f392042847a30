"""SSCD, a network trained to recognise copies, from a file that the user brings.

Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores

# SSCD's models were trained on pictures normalised like ImageNet's.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

SscdCosine = Annotated[float, Field(gt=0, le=1)]


class ModelFileError(RuntimeError):
    """A model that the policy names cannot be used; the message names the file and says what to do."""


class Sscd(Detector):
    """How alike the SSCD vectors of two pictures are."""

    name = "sscd"
    title = "SSCD"
    score = "sscd_cosine"
    unit = "cosine, -1 to 1"
    direction = ">="
    field = PolicyField("sscd_cosine_at_least", SscdCosine)
    descriptor = "sscd"
    search = "cosine"

    def __init__(self, embed: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Hold an opened model; without one, only `opened` is of use.

        Args:
            embed: uint8 picture of shape (H, W, 3) -> float32 vector of unit length.
        """
        self._embed = embed

    def opened(self, policy: Mapping[str, Any]) -> "Sscd | None":
        """The detector with the file that the policy names; None when it names none.

        Raises:
            ModelFileError: If the file is missing, is another one than the policy says, or is no such model.
        """
        if policy.get("sscd_file") is None:
            return None
        return Sscd(_opened_file(Path(policy["sscd_file"]), str(policy["sscd_sha256"]), policy["sscd_side"]))

    @property
    def identity(self) -> None:
        """Not known here: another model may be opened by the same name."""

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """The vector of a picture: float32 of unit length."""
        if self._embed is None:
            raise ModelFileError("SSCD has no file; name one as sscd_file in the policy")
        return self._embed(picture)

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        """The cosine of the two vectors."""
        return float(image @ reference)

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The cosine beside the threshold."""
        return f"SSCD cosine {scores[self.score]:.3f} reaches {threshold:g}"


def _opened_file(file: Path, sha256: str, side: int) -> Callable[[np.ndarray], np.ndarray]:
    """Open a TorchScript file whose hash is known.

    TorchScript is a program. torch runs it in an interpreter of its own that cannot import Python modules, but that is
    no sandbox for hostile files; so only the very file that the policy's author looked at is opened, from the bytes
    that were hashed.
    """
    import torch

    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{file}: cannot be read ({error.strerror}); mend sscd_file in the policy") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelFileError(f"{file}: its SHA-256 is {digest}, the policy's sscd_sha256 is {sha256}; it is not opened")
    try:
        model = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(f"{file}: is no TorchScript model ({error}); get SSCD's .torchscript.pt file") from error

    def embed(picture: np.ndarray) -> np.ndarray:
        pixels = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        normed = (np.asarray(pixels, np.float32) / 255 - _MEAN) / _DEVIATION
        with torch.inference_mode():
            vector = model(torch.from_numpy(normed.transpose(2, 0, 1)[None].copy()))
        return unit_vector(vector.float().numpy()[0])

    return embed


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """A vector at length 1, as float32; zeros stay zeros."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)
