"""Prompts lie where they should."""

import numpy as np

from twig_assets.model_zoo.sam_prompts import box_around, centre_point, corrections, inner_point, loose_box

RING = np.hypot(*(np.mgrid[0:64, 0:64] - 30)) < 20
RING &= np.hypot(*(np.mgrid[0:64, 0:64] - 30)) > 8


def test_the_centre_point_of_a_rectangle_is_its_middle() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:21, 30:51] = True
    x, y = centre_point(mask)
    assert y == 15
    assert 35 <= x <= 45


def test_the_centre_point_of_a_ring_is_on_the_ring() -> None:
    x, y = centre_point(RING).astype(int)
    assert RING[y, x]


def test_inner_points_are_inside() -> None:
    rng = np.random.default_rng(0)
    points = [inner_point(RING, rng).astype(int) for _ in range(50)]
    assert all(RING[y, x] for x, y in points)
    assert len({tuple(p) for p in points}) > 30


def test_a_box_includes_its_last_pixels() -> None:
    mask = np.zeros((64, 64), bool)
    mask[3:5, 7:20] = True
    assert box_around(mask).tolist() == [7, 3, 19, 4]
    assert loose_box(mask, 0.0, np.random.default_rng(0)).tolist() == [7, 3, 19, 4]


def test_a_loose_box_stays_in_the_image_and_near_the_object() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[:40, 20:] = True
    for _ in range(50):
        box = loose_box(mask, 0.1, rng)
        assert box.min() >= 0
        assert box.max() <= 63
        assert np.abs(box - box_around(mask)).max() <= 0.2 * 44


def test_corrections_ask_for_what_is_missing_and_against_what_is_too_much() -> None:
    rng = np.random.default_rng(0)
    nothing, everything = np.zeros_like(RING), np.ones_like(RING)
    assert all(label == 1 and RING[int(y), int(x)] for x, y, label in corrections(nothing, RING, 10, rng))
    assert all(label == 0 and not RING[int(y), int(x)] for x, y, label in corrections(everything, RING, 10, rng))


def test_a_perfect_answer_is_confirmed() -> None:
    assert corrections(RING, RING, 5, np.random.default_rng(0))[:, 2].tolist() == [1] * 5
