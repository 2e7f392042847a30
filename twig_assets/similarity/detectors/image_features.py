"""The local features of an audited image, and how works lie on it."""

import numpy as np

from twig_assets.similarity.detectors.alignment import Alignment, align
from twig_assets.similarity.detectors.closer_look import closer
from twig_assets.similarity.detectors.local_features import VARIANTS, Features, local_features
from twig_assets.similarity.detectors.warps import warped

SURE = 3.0
"""An alignment as strong as this needs no second look."""

WORTH_A_LOOK = ((3, 0.4), (4, 0.25), (5, 0.15), (8, -1.0))
"""An alignment deserves a second look from any of these numbers of inliers on with this much weighted SSIM, which is -1
where the work would cover too little of the image to be compared as it is."""


class ImageFeatures:
    """The local features of an image as it is, mirrored, inverted, and both; and how works lie on it.

    Attributes:
        variants: Name of each of VARIANTS -> its features.
    """

    def __init__(self, picture: np.ndarray, features: Features | None = None) -> None:
        """Find the features of a picture.

        Args:
            picture: uint8 array of shape (H, W, 3).
            features: Its `local_features`, if they are known.
        """
        features = local_features(picture) if features is None else features
        self.variants = {name: features.variant(name) for name in VARIANTS}
        self._picture = picture
        self._alignments: dict[Features, Alignment | None] = {}

    def alignment(self, reference: Features) -> Alignment | None:
        """The strongest alignment of a work with any variant, the first of equals; None when there is none."""
        if reference not in self._alignments:
            tried = (align(features, reference, name) for name, features in self.variants.items())
            best = max((found for found in tried if found), key=_strength, default=None)
            self._alignments[reference] = best if best is None else self._looked_at_again(best, reference)
        return self._alignments[reference]

    def _looked_at_again(self, first: Alignment, reference: Features) -> Alignment:
        """The strongest of an alignment, its warp and a closer look; itself where it is sure, or next to nothing."""
        promising = any(first.inliers >= inliers and first.iw_ssim >= least for inliers, least in WORTH_A_LOOK)
        if first.strength >= SURE or not promising:
            return first
        features = self.variants[first.variant]
        further = (warped(features, reference, first.variant), closer(self._picture, features, reference, first))
        return max((first, *(found for found in further if found)), key=_strength)


def _strength(alignment: Alignment) -> tuple[float, int]:
    return alignment.strength, alignment.inliers
