"""Objects come before background, and duplicates and specks go."""

import numpy as np
import pytest

from twig_assets.segmentation.ranking import Candidate, border_contact, foreground_score, rank, without_duplicates
from twig_assets.settings.segmentation import SegmentationSettings

SETTINGS = SegmentationSettings()
NO_GROUND = np.zeros((), bool)


def disc(x: float, y: float, radius: float, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    return np.hypot(rows - y, columns - x) < radius


def candidate(mask: np.ndarray, rating: float = 0.9) -> Candidate:
    return Candidate(mask, rating, 0.95)


def test_the_ground_is_background_and_the_disc_on_it_is_foreground() -> None:
    ranked = rank([candidate(~disc(32, 32, 14), 0.99), candidate(disc(32, 32, 14))], SETTINGS)
    assert [r.foreground for r in ranked] == [True, False]
    assert np.array_equal(ranked[0].mask, disc(32, 32, 14))
    assert ranked[1].score == 0


def test_what_only_the_ground_mask_leaves_over_is_found() -> None:
    ranked = rank([candidate(~disc(30, 34, 12))], SETTINGS)
    found = [r for r in ranked if r.foreground]
    assert len(found) == 1
    assert (found[0].mask ^ disc(30, 34, 12)).sum() <= 8


def test_a_thin_seam_beside_the_ground_is_no_object() -> None:
    seam = np.zeros((64, 64), bool)
    seam[10:54, 20] = True
    assert not any(r.foreground for r in rank([candidate(~seam)], SETTINGS))


def test_specks_are_left_out() -> None:
    assert rank([candidate(disc(32, 32, 2))], SETTINGS) == []


def test_of_near_copies_the_better_rated_stays() -> None:
    better, worse, other = (
        candidate(disc(20, 20, 10), 0.9),
        candidate(disc(20.5, 20, 10), 0.8),
        candidate(disc(45, 45, 9)),
    )
    kept = without_duplicates([worse, better, other], 0.7)
    assert {id(c) for c in kept} == {id(better), id(other)}


def test_an_empty_mask_is_dropped() -> None:
    assert rank([candidate(np.zeros((64, 64), bool))], SETTINGS) == []


@pytest.mark.parametrize(
    ("likelier", "less_likely"),
    [
        (candidate(disc(32, 32, 12)), candidate(disc(12, 12, 11))),
        (candidate(disc(32, 32, 12)), candidate(disc(32, 32, 5))),
        (candidate(disc(32, 32, 12), 0.9), candidate(disc(32, 32, 12), 0.7)),
        (candidate(disc(16, 32, 12)), candidate(disc(2, 32, 12))),
    ],
    ids=["central", "large", "well rated", "off the edge"],
)
def test_the_score_prefers(likelier: Candidate, less_likely: Candidate) -> None:
    assert foreground_score(likelier, NO_GROUND) > foreground_score(less_likely, NO_GROUND)


def test_what_lies_in_the_ground_scores_less() -> None:
    spot = candidate(disc(32, 32, 12))
    assert foreground_score(spot, disc(32, 32, 30)) == 0
    assert foreground_score(spot, disc(44, 32, 12)) < foreground_score(spot, NO_GROUND)


def test_scores_stay_between_0_and_1_when_the_model_overrates_itself() -> None:
    assert 0 <= foreground_score(candidate(disc(32, 32, 20), 1.3), NO_GROUND) <= 1
    assert foreground_score(candidate(disc(32, 32, 20), -0.2), NO_GROUND) == 0


def test_border_contact_counts_every_outer_pixel_once() -> None:
    frame = np.zeros((10, 20), bool)
    assert border_contact(frame) == 0
    frame[0] = True
    assert border_contact(frame) == pytest.approx(20 / 56)
    assert border_contact(np.ones((10, 20), bool)) == 1


def test_boxes_and_areas_are_those_of_the_mask() -> None:
    mask = np.zeros((40, 80), bool)
    mask[10:20, 30:50] = True
    (only,) = rank([candidate(mask)], SETTINGS)
    assert only.bbox == (30, 10, 20, 10)
    assert only.area == pytest.approx(200 / 3200)
