"""How alike a work and an image are where the work's local features lay it, and how it was copied; see `alignment`."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from twig_assets.similarity.detectors.alignment import Alignment, laid_on
from twig_assets.similarity.detectors.detector import Detector, PolicyField, Scores
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import Features, local_features, on_canvas

Strength = Annotated[float, Field(gt=0)]


class AlignmentStrength(Detector):
    """Structural similarity where a work lies on the image, with the number of features that agree on that."""

    name = "alignment"
    title = "alignment"
    score = "alignment_strength"
    unit = "SSIM of the overlap, weighted by information, times the square root of the inliers, 0 and more"
    direction = ">="
    field = PolicyField("alignment_strength_at_least", Strength)
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

    def compare(self, image: ImageFeatures, reference: Features) -> float:
        """See `Alignment.strength`; 0 when the work could not be laid on the image."""
        alignment = image.alignment(reference)
        return alignment.strength if alignment else 0.0

    def sentence(self, scores: Scores, threshold: float) -> str:
        """Both parts of the strength beside the threshold."""
        overlap = f"SSIM {scores['aligned_iw_ssim']:.3f} (weighted by information) where the work lies on the image"
        strength = f"with {scores['sift_inliers']} local features a strength of {scores[self.score]:.2f}"
        return f"{overlap}, {strength}, reaches {threshold:g}"


def how_copied(alignment: Alignment, image: np.ndarray, reference: np.ndarray) -> tuple[str, ...]:
    """Name what was done to a reference, from how it lies on the image.

    Args:
        alignment: How the reference lies on the image.
        image: uint8 array of shape (H, W, 3).
        reference: uint8 array of shape (h, w, 3).

    Returns:
        `identical`, or some of `mirrored`, `rotated`, `cropped`, `pasted in` and `recoloured`.
    """
    ways = {
        "mirrored": "mirrored" in alignment.variant,
        "rotated": abs(alignment.degrees) > 3,
        "cropped": alignment.used < 0.93 and alignment.covered > 0.85,
        "pasted in": alignment.covered < 0.7 and alignment.used > 0.5,
        "recoloured": _recoloured(alignment, on_canvas(image), on_canvas(reference)),
    }
    return tuple(way for way, applies in ways.items() if applies) or ("identical",)


def _recoloured(alignment: Alignment, image: np.ndarray, reference: np.ndarray) -> bool:
    """Whether colours differ by more than a twelfth of the scale on average, where the reference lies."""
    if "inverted" in alignment.variant:
        return True
    ours = image[:, ::-1] if "mirrored" in alignment.variant else image
    laid, inside = laid_on(reference, alignment.matrix, ours.shape[:2])
    if not inside.any():
        return False
    return float(np.abs(laid[inside].astype(np.float32) - ours[inside]).mean()) > 255 / 12
