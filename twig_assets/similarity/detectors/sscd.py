"""SSCD, a network trained to recognise copies: of the extra `sscd`, or from a file that the user brings.

Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.hog import hog
from twig_assets.similarity.detectors.networks import Embed, ModelFileError, opened_file, packaged

_TONES = 48
"""Width, in levels of grey, of the band that counts as one tone: noise and compression stay within it."""
_SOME_GROUND, _ALL_GROUND = 0.65, 0.8
"""Shares of a picture in one tone from which on its vector is shortened, and by all of it."""
_FEW_TONES, _ENOUGH_TONES = 4, 8
"""Tones, see `tone_count`: up to the first a picture is plain, from the second on it is not."""
_LEFT = 0.7
"""Length of the vector of a plain picture."""

SscdCosine = Annotated[float, Field(gt=0, le=1)]


class Sscd(Detector):
    """How alike the SSCD vectors of two pictures are.

    The network was trained on photographs. Any two pages of text, or words, or line drawings on a sheet are alike to it
    by 0.8 to 0.95, and so are charts and stripes. Of pictures that are mostly ground, or drawn in a few tones, it may
    propose candidates and not decide: their vectors are shortened.
    """

    name = "sscd"
    title = "SSCD"
    score = "sscd_cosine"
    unit = "cosine, -1 to 1; less for plain pictures"
    direction = ">="
    field = PolicyField("sscd_cosine_at_least", SscdCosine)
    descriptor = "sscd"
    search = "cosine"

    def __init__(self, embed: Embed | None = None, identity: str | None = None) -> None:
        """Hold an opened network; without one, only `opened` is of use.

        Args:
            embed: The network.
            identity: See `Source`; None if it is not known which network it is.
        """
        self._embed, self._identity = embed, identity

    def opened(self, policy: Mapping[str, Any]) -> "Sscd | None":
        """The detector with the policy's file, else with the policy's network of the extra; None where there is none.

        Raises:
            ModelFileError: If the file is missing, is another one than the policy says, or is no such network.
        """
        if policy.get("sscd_file") is not None:
            sha256, side = str(policy["sscd_sha256"]), policy["sscd_side"]
            return Sscd(opened_file(Path(policy["sscd_file"]), sha256, side), f"sscd {sha256} {side}")
        network = policy.get("sscd_network", "none")
        embed = None if network == "none" else packaged(network, policy["sscd_side"])
        return Sscd(embed, f"sscd {network} {policy['sscd_side']}") if embed else None

    @property
    def identity(self) -> str | None:
        """The network and the size of what it is shown."""
        return self._identity

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """The vector of a picture: float32 of unit length; shorter for plain ones, see `plainness`."""
        if self._embed is None:
            raise ModelFileError("SSCD has no network; install the extra sscd, or name a file as sscd_file")
        return np.asarray(self._embed(picture) * np.float32(1 - (1 - _LEFT) * plainness(picture)))

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        """The cosine of the two vectors."""
        return float(image @ reference)

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The cosine beside the threshold."""
        return f"SSCD cosine {scores[self.score]:.3f} reaches {threshold:g}"


def plainness(picture: np.ndarray) -> float:
    """How little a picture holds: 1 for nearly all ground, a few tones or a mere gradient, 0 for most photographs."""
    ground = (ground_share(picture) - _SOME_GROUND) / (_ALL_GROUND - _SOME_GROUND)
    few = (_ENOUGH_TONES - tone_count(picture)) / (_ENOUGH_TONES - _FEW_TONES)
    smooth = 1 - float(np.linalg.norm(hog(picture).astype(np.float32)))
    return float(np.clip(max(ground, few, smooth), 0, 1))


def tone_count(picture: np.ndarray) -> int:
    """How many of 32 levels of grey it takes to draw nine tenths of a picture, uint8 (H, W, 3)."""
    largest_first = -np.sort(-_histogram(picture).reshape(32, 8).sum(axis=1))
    return int(np.searchsorted(np.cumsum(largest_first), 0.9 * largest_first.sum())) + 1


def ground_share(picture: np.ndarray) -> float:
    """The largest share of a picture's pixels that have one tone, within 48 levels of grey: 0 to 1.

    Args:
        picture: uint8 array of shape (H, W, 3).
    """
    below = np.concatenate([[0], np.cumsum(_histogram(picture))])
    return float((below[_TONES:] - below[:-_TONES]).max() / below[-1])


def _histogram(picture: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(picture).convert("L").histogram())
