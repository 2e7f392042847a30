"""A segmenter that segments no image twice: whoever asks again for the same pixels gets what was found before."""

import hashlib
from collections.abc import Callable

import numpy as np

from twig_assets.segmentation.predictor import Segmenter
from twig_assets.segmentation.result import Segmentation
from twig_assets.segmentation.segment import segment
from twig_assets.settings.segmentation import SegmentationSettings


class RememberingSegmenter:
    """Keeps every segmentation as long as it lives itself, so make one for a chunk of images.

    Attributes:
        passes: How many images were segmented so far.

    Args:
        sam: Opens the model; called when the first image is segmented.
        settings: The defaults when None.
    """

    def __init__(self, sam: Callable[[], Segmenter], settings: SegmentationSettings | None = None) -> None:
        self._sam, self._settings = sam, settings
        self._known: dict[bytes, Segmentation] = {}
        self.passes = 0

    def segmentations(self, images: np.ndarray) -> list[Segmentation]:
        """One result per image of uint8 (n, H, W, 3), in order; see `segment`, which says what it raises."""
        names = [hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest() for image in images]
        new = {name: i for i, name in enumerate(names) if name not in self._known}
        if new:
            found = segment(images[list(new.values())], self._sam(), self._settings)
            self._known |= dict(zip(new, found, strict=True))
            self.passes += len(new)
        return [self._known[name] for name in names]

    def objects(self, images: np.ndarray) -> np.ndarray:
        """The objects of images as bool (n, H, W), all False where none was found or it fills the frame."""
        return np.stack([each.mask & (each.outcome == "ok") for each in self.segmentations(images)])
