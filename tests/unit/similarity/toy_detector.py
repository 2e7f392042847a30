"""A detector in one file: how far the mean colours of two pictures lie apart."""

from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores


class ColourDistance(Detector):
    """Distance of the mean colours."""

    name = "colour"
    title = "mean colour"
    score = "colour_distance"
    unit = "levels of 255, mean of three channels"
    direction = "<="
    field = PolicyField("colour_distance_at_most", Annotated[float, Field(ge=0, le=255)])
    descriptor = "colour"
    search = None

    def describe(self, picture: np.ndarray) -> np.ndarray:
        return picture.mean(axis=(0, 1))

    def compare(self, image: np.ndarray, reference: np.ndarray) -> float:
        return float(np.abs(image - reference).mean())

    def sentence(self, scores: Scores, threshold: float) -> str:
        return f"mean colours {scores[self.score]:.1f} apart are not above {threshold:g}"
