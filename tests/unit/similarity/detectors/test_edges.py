"""Outlines."""

import cv2
import numpy as np
import pytest

from tests.unit.similarity.plain_pictures import KINDS
from twig_assets.similarity.detectors.edges import Edges, edges, edges_orientations
from twig_assets.similarity.orientations import ORIENTATIONS, oriented
from twig_assets.similarity.verdicts.policy import Policy

THRESHOLD = Policy().edges_cosine_at_least or 1.0


def score(image: np.ndarray, work: np.ndarray) -> float:
    return Edges().compare(Edges().describe_image(image), Edges().describe(work))


def pencilled(picture: np.ndarray) -> np.ndarray:
    """Grey divided by its blurred self."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(
        cv2.divide(grey, 255 - cv2.GaussianBlur(255 - grey, (21, 21), 0), scale=256), cv2.COLOR_GRAY2RGB
    )


def dithered(picture: np.ndarray) -> np.ndarray:
    """Black and white by a random threshold at each pixel."""
    limits = np.random.default_rng(0).integers(30, 226, picture.shape[:2])
    return np.repeat(((cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) > limits) * np.uint8(255))[..., None], 3, axis=2)


def test_about_half_of_the_drawings_are_known_by_their_outlines_after_a_filter(art: list[np.ndarray]) -> None:
    large = [cv2.resize(drawing, (256, 256), interpolation=cv2.INTER_CUBIC) for drawing in art[:12]]
    for changed in (pencilled, dithered):
        assert np.mean([score(changed(drawing), drawing) >= THRESHOLD for drawing in large]) > 0.4


def test_an_orientation_has_the_descriptor_of_the_oriented_picture(photographs: list[np.ndarray]) -> None:
    for derived, name in zip(edges_orientations(photographs[0]), ORIENTATIONS, strict=True):
        found = edges(oriented(photographs[0], name)).astype(np.float32)
        assert float(derived.astype(np.float32) @ found) == pytest.approx(float(found @ found), abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_pictures_of_a_kind_are_not_taken_for_each_other(kind: str) -> None:
    first, second, third = (KINDS[kind](seed) for seed in range(3))
    assert max(score(first, second), score(first, third), score(second, third)) < THRESHOLD


def test_rings_with_strokes_in_them_are_not_taken_for_each_other() -> None:
    drawn = [ring(seed) for seed in range(24)]
    works = [Edges().describe(picture).astype(np.float32) for picture in drawn]
    alike = [
        float((edges_orientations(picture).astype(np.float32) @ works[j]).max())
        for i, picture in enumerate(drawn)
        for j in range(len(works))
        if i != j
    ]
    assert max(alike) < THRESHOLD


def ring(seed: int) -> np.ndarray:
    """A crooked ring and a few strokes, black on white."""
    random = np.random.default_rng(seed)
    sheet = np.full((400, 400, 3), 255, np.uint8)
    corners = int(random.integers(6, 14))
    radii, turns = 120 + 40 * random.random(corners), 2 * np.pi * np.arange(corners) / corners
    outline = np.stack([200 + radii * np.cos(turns), 200 + radii * np.sin(turns)], axis=1).astype(np.int32)
    cv2.polylines(sheet, [outline], True, (0, 0, 0), 5)
    for _ in range(4):
        start, along = random.integers(110, 270, 2), random.integers(-60, 60, 2)
        cv2.line(sheet, tuple(map(int, start)), tuple(map(int, start + along)), (0, 0, 0), 4)
    return sheet


def test_a_picture_of_one_colour_is_like_nothing(art: list[np.ndarray]) -> None:
    blank = np.full((80, 90, 3), 120, np.uint8)
    assert abs(score(blank, blank)) < 0.1
    assert abs(score(blank, art[0])) < 0.1
