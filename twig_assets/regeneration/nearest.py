"""Which protected works a batch of first images is nearest to: of a large corpus, those to keep away from."""

from collections.abc import Sequence

import numpy as np

from twig_assets.similarity import ORIENTATIONS
from twig_assets.similarity.structural.pair_scores import pair_scores


def nearest_works(images: np.ndarray, works: Sequence[np.ndarray], count: int) -> list[int]:
    """Indices of at most `count` works, those with the highest SSIM to any of the images, best of eight orientations.

    Args:
        images: uint8 (n, H, W, 3).
        works: uint8 arrays (h, w, 3) of any size.
        count: At least 1.

    Returns:
        In ascending order; all of them when there are no more than `count`.
    """
    if len(works) <= count:
        return list(range(len(works)))
    scores = pair_scores(images, works, masks=None, orientations=len(ORIENTATIONS), listed=1).whole.max(axis=0)
    return sorted(np.argsort(-scores, kind="stable")[:count].tolist())
