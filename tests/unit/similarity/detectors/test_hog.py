"""Gradients."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from twig_assets.similarity.detectors.gradient_histograms import LENGTH, hog, hog_orientations
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


def test_a_gradient_is_like_no_page_of_text_and_no_other_gradient() -> None:
    gradients = [vertical_gradient(first, last) for first, last in ((0, 255), (90, 230), (250, 200))]
    pages = [page_of_text(seed) for seed in range(3)]
    for i, picture in enumerate([*gradients, *pages]):
        for other in [*gradients, *pages][:i]:
            assert max(cosine(one, hog(other)) for one in hog_orientations(picture)) < 0.8


def test_a_page_of_text_is_like_its_copy() -> None:
    page = page_of_text(0)
    smaller = np.asarray(Image.fromarray(page).resize((170, 220), Image.Resampling.LANCZOS))
    assert cosine(hog(page), hog(smaller)) > 0.9


def vertical_gradient(first: int, last: int) -> np.ndarray:
    return np.repeat(np.linspace(first, last, 120)[:, None, None], 100, axis=1).repeat(3, axis=2).astype(np.uint8)


def page_of_text(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    page = Image.new("RGB", (200, 260), "white")
    pen = ImageDraw.Draw(page)
    for row in range(20):
        words = ("".join(rng.choice(list("abcdefghilmnoprstu"), rng.integers(2, 9))) for _ in range(7))
        pen.text((12, 10 + 12 * row), " ".join(words)[:34], fill="black")
    return np.asarray(page)


def test_a_picture_of_one_colour_has_a_descriptor_of_zeros() -> None:
    assert not hog(np.full((50, 40, 3), 9, np.uint8)).any()
