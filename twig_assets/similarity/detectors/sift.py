"""How many local features of an image lie as they do on a work; see `alignment`."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import Features, local_features

SiftInliers = Annotated[int, Field(ge=3)]


class Sift(Detector):
    """Counts the local features that agree on how a work lies on the image."""

    name = "sift"
    title = "features"
    score = "sift_inliers"
    unit = "one-to-one matches of keypoints that agree on an alignment"
    direction = ">="
    field = PolicyField("sift_inliers_at_least", SiftInliers)
    descriptor = "local features"
    search = "local features"

    def describe(self, picture: np.ndarray) -> Features:
        """See `local_features`."""
        return local_features(picture)

    def describe_image(self, picture: np.ndarray) -> ImageFeatures:
        """The features of four variants of the image."""
        return ImageFeatures(picture)

    def arrays(self, description: Features) -> dict[str, np.ndarray]:
        """See `Features`."""
        return description.arrays()

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Features:
        """See `Features`."""
        return Features(**arrays)

    def compare(self, image: ImageFeatures, reference: Features) -> int:
        """The inliers of the strongest alignment, see `Alignment.counted`; 0 when the work could not be laid on it."""
        alignment = image.alignment(reference)
        return alignment.counted if alignment else 0

    def sentence(self, scores: Scores, threshold: float) -> str:
        """The number beside the threshold."""
        return f"{scores[self.score]} local features in the same places reach {threshold}"
