"""Counting the images that copy a memorised picture, with the project's own detectors."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit

CopyTest: TypeAlias = Callable[[np.ndarray], np.ndarray]


def copies_of(picture: np.ndarray, policy: Policy | None = None) -> CopyTest:
    """A test for copies of one picture.

    Args:
        picture: uint8 (H, W, 3).
        policy: When an image counts as a copy; the default policy when None.

    Returns:
        A function from images, uint8 (n, H, W, 3), to a bool for each: True if an audit against the picture fails it.
    """
    reference = ReferenceImage(Path("memorised"), "the memorised picture", "", "", "memorised", picture)
    index = ReferenceIndex([picture])

    def test(images: np.ndarray) -> np.ndarray:
        results = audit(images, [reference], policy or Policy(), index=index)
        return np.array([result.verdict == "fail" for result in results], bool)

    return test


def memorised_picture(images: np.ndarray) -> np.ndarray:
    """The image that a model draws from most seeds: the one with the least squared distance from all others.

    Args:
        images: uint8 (n, H, W, 3) of one prompt from n seeds.
    """
    flat = images.reshape(len(images), -1).astype(np.float64)
    squares = np.square(flat).sum(1)
    distances = squares[:, None] + squares[None, :] - 2 * flat @ flat.T
    picture: np.ndarray = images[int(distances.sum(1).argmin())]
    return picture
