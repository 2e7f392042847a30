"""PDQ, the 256-bit hash that platforms exchange lists of known pictures in.

Source: Meta, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019; computed by pdqhash.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.orientations import ORIENTATIONS, oriented

PdqDistance = Annotated[int, Field(ge=0, le=256)]


class Pdq(Detector):
    """In how many bits the PDQ hashes of two pictures differ."""

    name = "pdq"
    title = "PDQ"
    score = "pdq_distance"
    unit = "bits of 256 that differ, the fewest of eight orientations"
    direction = "<="
    field = PolicyField("pdq_distance_at_most", PdqDistance)
    # Within 72 bits of the default 31. Plain pictures that SSIM took for alike differed in 98 bits or more.
    agrees = 0.43
    descriptor = "pdq"
    search = "bits"

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """See `pdq`."""
        return pdq(picture)

    def describe_image(self, picture: np.ndarray) -> np.ndarray:
        """See `pdq_orientations`."""
        return pdq_orientations(picture)

    def compare(self, image: np.ndarray, reference: np.ndarray) -> int:
        """The smallest distance over the orientations."""
        return int(np.bitwise_count(image ^ reference).sum(axis=1).min())

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The distance beside the threshold."""
        return f"PDQ distance {scores[self.score]} is not above {threshold}"


def pdq(picture: np.ndarray) -> np.ndarray:
    """The hash of a picture: uint8 array of shape (32,), eight bits a byte.

    Args:
        picture: uint8 array of shape (H, W, 3).
    """
    import pdqhash

    bits, _ = pdqhash.compute(_large_enough(picture))
    return np.packbits(np.asarray(bits, np.uint8))


def pdq_orientations(picture: np.ndarray) -> np.ndarray:
    """Hashes of the eight flips and quarter turns: uint8 (8, 32), in the order of ORIENTATIONS.

    pdqhash derives seven of them from one pass, but then a mirrored photograph is some 30 bits away from its own.
    """
    return np.stack([pdq(oriented(picture, name)) for name in ORIENTATIONS])


def _large_enough(picture: np.ndarray) -> np.ndarray:
    """Enlarged to at least 64 px on either side: PDQ samples a grid of 64 x 64."""
    height, width = picture.shape[:2]
    if min(height, width) >= 64:
        return np.ascontiguousarray(picture)
    import cv2

    size = (max(width, 64), max(height, 64))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)
