"""How alike the gradients of two whole pictures are, as a detector."""

from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.gradient_histograms import hog, hog_orientations
from twig_assets.similarity.detectors.plainness import shortened

_LEFT = 0.75
"""Length of the descriptor of a plain work. Unrelated words and stripes reach a cosine of 0.93."""

HogCosine = Annotated[float, Field(gt=0, le=1)]


class Hog(Detector):
    """How alike the gradients of two whole pictures are, whatever their colours."""

    name = "hog"
    title = "gradients"
    score = "hog_cosine"
    unit = "cosine, the best of eight orientations, -1 to 1; less for plain works"
    direction = ">="
    field = PolicyField("hog_cosine_at_least", HogCosine)
    descriptor = "hog"
    search = "cosine"

    def describe(self, picture: np.ndarray) -> np.ndarray:
        """See `hog`; shorter for a plain work, see `plainness`."""
        return shortened(hog(picture), picture, _LEFT)

    def describe_image(self, picture: np.ndarray) -> np.ndarray:
        """See `hog_orientations`."""
        return hog_orientations(picture)

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        """The highest cosine over the orientations."""
        return float((image.astype(np.float32) @ reference.astype(np.float32)).max())

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The cosine beside the threshold."""
        return f"gradients alike by {scores[self.score]:.3f} reach {threshold:g}"
