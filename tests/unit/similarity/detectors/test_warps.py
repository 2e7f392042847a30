"""Works that are sheared, seen aslant, pasted small, or shown in part."""

import cv2
import numpy as np
import pytest

from twig_assets.similarity.detectors.alignment import align
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import local_features
from twig_assets.similarity.detectors.warps import possible, warped
from twig_assets.similarity.verdicts.policy import Policy

THRESHOLD = Policy().alignment_strength_at_least or 9.0
SHEAR = np.array([[1, 0.25, 0], [0, 1, 0], [0, 0, 1]])


def aslant(picture: np.ndarray, share: float) -> np.ndarray:
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = corners + np.array([[share, share], [-share / 3, 0], [0, 0], [0, -share]], np.float32) * (width, height)
    matrix = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    return cv2.warpPerspective(picture, matrix, (width, height), borderValue=(60, 60, 60))


def strength(image: np.ndarray, work: np.ndarray) -> float:
    found = ImageFeatures(image).alignment(local_features(work))
    return found.strength if found else 0.0


@pytest.mark.parametrize("share", [0.1, 0.18])
def test_a_work_seen_aslant_is_laid_on_the_image_better_than_a_similarity_can(
    photographs: list[np.ndarray], share: float
) -> None:
    for work in photographs[:3]:
        image, reference = local_features(aslant(work, share)), local_features(work)
        found, plain = warped(image, reference, "as it is"), align(image, reference, "as it is")
        assert found is not None
        assert found.strength > max(THRESHOLD, plain.strength if plain else 0)


def test_a_work_pasted_small_is_looked_at_more_closely(photographs: list[np.ndarray]) -> None:
    ground, work = photographs[1].copy(), photographs[0]
    small = cv2.resize(work, None, fx=0.22, fy=0.22, interpolation=cv2.INTER_AREA)
    ground[10 : 10 + small.shape[0], 20 : 20 + small.shape[1]] = small
    image, reference = ImageFeatures(ground), local_features(work)
    found, first = image.alignment(reference), align(image.variants["as it is"], reference, "as it is")
    assert found is not None
    assert found.strength > max(THRESHOLD, first.strength if first else 0)
    assert found.covered == pytest.approx(0.0484 * work.size / ground.size, rel=0.15)


def test_an_image_that_shows_a_quarter_of_a_work_says_how_much_it_shows(photographs: list[np.ndarray]) -> None:
    work = photographs[0]
    height, width = work.shape[:2]
    part = work[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
    found = ImageFeatures(part).alignment(local_features(work))
    assert found is not None
    assert found.strength > THRESHOLD
    assert found.used == pytest.approx(0.25, abs=0.04)
    assert found.covered > 0.9


def test_strangers_stay_below_the_threshold(photographs: list[np.ndarray]) -> None:
    assert max(strength(image, work) for image in photographs[:3] for work in photographs[3:6]) < THRESHOLD


@pytest.mark.parametrize(
    ("matrix", "whether"),
    [
        (np.eye(3), True),
        (SHEAR, True),
        (np.diag([-1.0, 1, 1]), False),
        (np.diag([0.2, 2.0, 1]), False),
        (np.diag([0.01, 0.01, 1]), False),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]]), False),
        (np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]]), False),
    ],
    ids=["identity", "shear", "mirror", "squeezed", "a speck", "folded", "a line"],
)
def test_only_what_a_flat_picture_can_be_seen_in_is_possible(matrix: np.ndarray, whether: bool) -> None:
    assert possible(matrix.astype(np.float64), (256, 256)) is whether
