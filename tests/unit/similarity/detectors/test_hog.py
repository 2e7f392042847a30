"""Gradients."""

import numpy as np
import pytest

from twig_assets.similarity.detectors.hog import LENGTH, hog, hog_orientations
from twig_assets.similarity.orientations import ORIENTATIONS, oriented


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.astype(np.float32) @ b.astype(np.float32))


def test_a_descriptor_has_unit_length_and_does_not_see_colours_inverted(art: list[np.ndarray]) -> None:
    for picture in art:
        found = hog(picture)
        assert found.shape == (LENGTH,)
        assert cosine(found, found) == pytest.approx(1, abs=0.002)
        assert cosine(found, hog(255 - picture)) > 0.99


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_one_of_the_eight_descriptors_is_that_of_the_turned_copy(art: list[np.ndarray], orientation: str) -> None:
    found = hog_orientations(art[0])
    assert max(cosine(one, hog(oriented(art[0], orientation))) for one in found) > 0.999


def test_unlike_drawings_are_unlike(art: list[np.ndarray]) -> None:
    for i, picture in enumerate(art):
        for other in art[:i]:
            assert max(cosine(one, hog(other)) for one in hog_orientations(picture)) < 0.7


def test_a_picture_of_one_colour_has_a_descriptor_of_zeros() -> None:
    assert not hog(np.full((50, 40, 3), 9, np.uint8)).any()
