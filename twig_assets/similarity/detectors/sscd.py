"""SSCD, a network trained to recognise copies: of the extra `sscd`, or from a file that the user brings.

Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.networks import Embed, ModelFileError, opened_file, packaged
from twig_assets.similarity.detectors.plainness import shortened

_LEFT = 0.68
"""Length of the vector of a plain work."""

SscdCosine = Annotated[float, Field(gt=0, le=1)]


class Sscd(Detector):
    """How alike the SSCD vectors of two pictures are.

    The network was trained on photographs. Any two pages of text, or words, or line drawings on a sheet are alike to it
    by 0.8 to 0.96, and so are charts and stripes. Of works that are mostly ground, or drawn in a few tones, it may
    propose candidates and not decide: their vectors are shortened. Those of images are not, since a filter makes many a
    picture plain.
    """

    name = "sscd"
    title = "SSCD"
    score = "sscd_cosine"
    unit = "cosine, -1 to 1; less for plain works"
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
        """The vector of a work: float32 of unit length; shorter for a plain one, see `plainness`."""
        return shortened(self.describe_image(picture), picture, _LEFT)

    def describe_image(self, picture: np.ndarray) -> np.ndarray:
        """The vector of a picture: float32 of unit length."""
        if self._embed is None:
            raise ModelFileError("SSCD has no network; install the extra sscd, or name a file as sscd_file")
        return self._embed(picture)

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        """The cosine of the two vectors."""
        return float(image @ reference)

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The cosine beside the threshold."""
        return f"SSCD cosine {scores[self.score]:.3f} reaches {threshold:g}"
