"""How little a picture holds: pages, words, charts, line drawings and gradients, any two of which are alike.

To a detector that looks at a whole picture, two charts are the same drawing, and so are two rings or two pages. The
vectors of plain works are therefore shortened, so that an image must be more like them than like others. How plain the
image is does not count: what a filter leaves of a photograph is plain, and a page with a vignette is not.
"""

import numpy as np
from PIL import Image

from twig_assets.similarity.detectors.gradient_histograms import hog

_TONES = 48
"""Width, in levels of grey, of the band that counts as one tone: noise and compression stay within it."""
_SOME_GROUND, _ALL_GROUND = 0.65, 0.8
"""Shares of a picture in one tone from which on its vector is shortened, and by all of it."""
_FEW_TONES, _ENOUGH_TONES = 4, 8
"""Tones, see `tone_count`: up to the first a picture is plain, from the second on it is not."""


def shortened(vector: np.ndarray, work: np.ndarray, left: float) -> np.ndarray:
    """The vector of a work, the shorter the plainer the work is.

    Args:
        vector: Of floats.
        work: uint8 array of shape (H, W, 3): what the vector describes.
        left: What is left of the vector's length if the work is wholly plain, 0 to 1.

    Returns:
        An array of the vector's type.
    """
    return np.asarray(vector * (1 - (1 - left) * plainness(work)), vector.dtype)


def plainness(picture: np.ndarray) -> float:
    """How little a picture holds: 1 for nearly all ground, a few tones or a mere gradient, 0 for most photographs."""
    ground = (ground_share(picture) - _SOME_GROUND) / (_ALL_GROUND - _SOME_GROUND)
    few = (_ENOUGH_TONES - tone_count(picture)) / (_ENOUGH_TONES - _FEW_TONES)
    smooth = 1 - float(np.linalg.norm(hog(picture).astype(np.float32)))
    return float(np.clip(max(ground, few, smooth), 0, 1))


def tone_count(picture: np.ndarray) -> int:
    """How many of 32 levels of grey it takes to draw nine tenths of a picture, uint8 (H, W, 3)."""
    largest_first = -np.sort(-_histogram(picture).reshape(32, 8).sum(axis=1))
    return int(np.searchsorted(np.cumsum(largest_first), 0.9 * largest_first.sum())) + 1


def ground_share(picture: np.ndarray) -> float:
    """The largest share of a picture's pixels that have one tone, within 48 levels of grey: 0 to 1.

    Args:
        picture: uint8 array of shape (H, W, 3).
    """
    below = np.concatenate([[0], np.cumsum(_histogram(picture))])
    return float((below[_TONES:] - below[:-_TONES]).max() / below[-1])


def _histogram(picture: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(picture).convert("L").histogram())
