import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.regeneration import iou
from twig_assets.regeneration.placing import best_places

CELL = 4


def box(top, left, height=16, width=16, size=64):
    mask = np.zeros((size, size), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def best(shape, mask, cell=CELL, edge_cost=0.0):
    places = best_places(shape[None], mask[None], cell, edge_cost, CELL)
    return int(places.down[0, 0]) * cell, int(places.right[0, 0]) * cell


boxes = st.builds(box, st.integers(0, 32), st.integers(0, 32), st.integers(8, 32), st.integers(8, 32))


@given(boxes, boxes, st.sampled_from([1, 4]), st.sampled_from([0.0, 0.02, 1.0]))
def test_no_place_is_out_of_the_frame_or_meets_the_mask_more_than_staying(shape, mask, cell, edge_cost):
    down, right = best(shape, mask, cell, edge_cost)
    rows, columns = shape.any(1).nonzero()[0], shape.any(0).nonzero()[0]
    assert 0 <= rows[0] + down <= rows[-1] + down < 64
    assert 0 <= columns[0] + right <= columns[-1] + right < 64
    assert iou(np.roll(shape, (down, right), (0, 1)), mask) <= iou(shape, mask) + 1e-6


def test_the_best_place_is_as_good_as_any_that_was_tried_one_by_one():
    shape, mask = box(18, 26, 20, 12), box(10, 14, 30, 34)
    tried = [
        iou(np.roll(shape, (down * CELL, right * CELL), (0, 1)), mask)
        for down in range(-4, 7)
        for right in range(-6, 7)
    ]
    assert iou(np.roll(shape, best(shape, mask), (0, 1)), mask) == pytest.approx(min(tried))
    assert best_places(shape[None], mask[None], CELL, 0.0, CELL).cost[0, 0] == pytest.approx(min(tried), abs=1e-4)


def test_what_would_touch_an_edge_only_to_get_away_a_little_further_stays_off_it():
    shape, mask = box(24, 24), box(24, 4, 16, 36)
    assert iou(np.roll(shape, best(shape, mask), (0, 1)), mask) == 0
    off_it = np.roll(shape, best(shape, mask, edge_cost=10.0), (0, 1))
    rows, columns = (off_it.any(axis).nonzero()[0] for axis in (1, 0))
    assert min(rows[0], columns[0], 63 - rows[-1], 63 - columns[-1]) >= CELL
    assert best(box(0, 24), box(40, 40), edge_cost=10.0)[0] == 0


def test_a_move_goes_less_far_where_leaving_the_frame_bare_costs_something():
    shape, mask = box(10, 24, 20, 20), box(16, 16, 48, 32)

    def moved_by(bare_cost):
        places = best_places(shape[None], mask[None], 1, 0.0, CELL, bare_cost)
        return abs(int(places.down[0, 0])) + abs(int(places.right[0, 0])), places.cost[0, 0]

    (free, free_cost), (dear, dear_cost), (dearest, _) = moved_by(0.0), moved_by(0.3), moved_by(10.0)
    assert free > dear > dearest == 0
    assert iou(shape, mask) > dear_cost > free_cost


def test_what_an_edge_cuts_stays_on_it_and_what_only_touches_it_does_not():
    cut, touching = box(0, 24), box(8, 24) | box(0, 30, 8, 4)
    mask = box(0, 0, 24, 64)
    assert best(cut, mask)[0] == 0
    assert best(touching, mask)[0] > 0
    corner = box(48, 48)
    assert best(corner, box(40, 40, 24, 24)) == (0, 0)


def test_every_shape_is_placed_against_every_mask():
    shapes, masks = np.stack([box(0, 0), box(20, 24), box(44, 8)]), np.stack([box(8, 8, 40, 40), box(4, 30)])
    places = best_places(shapes, masks, CELL, 0.02, CELL)
    for i, mask in enumerate(masks):
        for j, shape in enumerate(shapes):
            assert (places.down[i, j] * CELL, places.right[i, j] * CELL) == best(shape, mask, edge_cost=0.02)


def test_an_empty_shape_stays_and_meets_nothing():
    assert best(np.zeros((64, 64), bool), box(4, 4), edge_cost=0.02) == (0, 0)
    assert best_places(np.zeros((1, 64, 64), bool), box(4, 4)[None], CELL, 0.02, CELL).cost[0, 0] == 0
