"""What an image has in common with works: structural similarity, and what the detectors say of the candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twig_assets.similarity.corpus.index import Evidence
from twig_assets.similarity.structural.pair_scores import PairScores

_STRUCTURAL = ("whole", "whole_orientation", "informed")
_MASKED = ("masked", "masked_orientation", "masked_informed")


@dataclass(frozen=True, eq=False)
class Comparison:
    """One image beside N works.

    Attributes:
        size: Height and width of the image.
        contrast: Standard deviation of its pixel values, 0 to 255.
        mask_pixels: Pixels of its foreground mask; None without one.
        sizes: Height and width of each work.
        whole: float64 (N,), see `PairScores`; likewise those that follow.
        whole_orientation: int (N,).
        informed: float64 (N,).
        masked: float64 (N,), NaN without a usable mask.
        masked_orientation: int (N,).
        masked_informed: float64 (N,).
        evidence: What the detectors say of those works that they looked at, in order.
    """

    size: tuple[int, int]
    contrast: float
    mask_pixels: int | None
    sizes: Sequence[tuple[int, int]]
    whole: np.ndarray
    whole_orientation: np.ndarray
    informed: np.ndarray
    masked: np.ndarray
    masked_orientation: np.ndarray
    masked_informed: np.ndarray
    evidence: Sequence[Evidence]

    @classmethod
    def of(
        cls,
        image: np.ndarray,
        mask_pixels: int | None,
        pictures: Sequence[np.ndarray],
        scores: PairScores,
        row: int,
        evidence: Sequence[Evidence] = (),
    ) -> "Comparison":
        """The comparison of one image among several; it shares its scores with them.

        Args:
            image: uint8 array of shape (H, W, 3).
            mask_pixels: See the class.
            pictures: The works.
            scores: Those of all images.
            row: Which image.
            evidence: See the class.
        """
        structural = {name: getattr(scores, name)[row] for name in (*_STRUCTURAL, *_MASKED)}
        sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
        size, contrast = (image.shape[0], image.shape[1]), float(image.std())
        return cls(size, contrast, mask_pixels, sizes, **structural, evidence=evidence)

    @property
    def has_mask(self) -> bool:
        """Whether there are scores inside a mask."""
        return not np.isnan(self.masked).any()

    def as_row(self) -> dict[str, Any]:
        """All of it as JSON, but for where the works lie on the image."""
        arrays = {name: getattr(self, name).tolist() for name in (*_STRUCTURAL, *(_MASKED if self.has_mask else ()))}
        pairs = [{"reference": e.reference, "scores": e.scores, "copied": list(e.copied)} for e in self.evidence]
        of_image = {"size": self.size, "contrast": self.contrast, "mask_pixels": self.mask_pixels}
        return {**of_image, "sizes": self.sizes, **arrays, "evidence": pairs}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Comparison":
        """The comparison that `as_row` made JSON of."""
        count = len(row["sizes"])
        unmasked = {"masked": [np.nan] * count, "masked_orientation": [0] * count, "masked_informed": [np.nan] * count}
        arrays = {name: np.array(row.get(name, unmasked.get(name))) for name in (*_STRUCTURAL, *_MASKED)}
        evidence = [Evidence(e["reference"], (), e["scores"], tuple(e["copied"]), None) for e in row["evidence"]]
        sizes = [(height, width) for height, width in row["sizes"]]
        return cls(tuple(row["size"]), row["contrast"], row["mask_pixels"], sizes, **arrays, evidence=evidence)
