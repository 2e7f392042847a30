import numpy as np
import pytest

from tests.unit.regeneration.pictures import box, bytes_of, picture, scene
from twig_assets.regeneration import iou
from twig_assets.regeneration.moving import Costs, Move, best_move, continued, shifted, slid

GREY = np.uint8([9, 9, 9])


def by(down, right):
    return Move(down, right, 0.0, 0.0)


def test_sliding_mirrors_the_ground_and_not_the_object():
    shape = box(20, 0)
    image = np.where(shape[..., None], np.uint8([200, 0, 0]), np.arange(64, dtype=np.uint8)[:, None, None])
    there = slid(image, by(-4, 10), shape, GREY)
    np.testing.assert_array_equal(there.image[:60, 10:], image[4:, :54])
    assert (there.image[17:31, :10] == 9).all()
    assert (there.image[:14, :10] == np.arange(4, 18)[:, None, None]).all()
    assert there.image[60:, 63, 0].tolist() == [62, 61, 60, 59]
    np.testing.assert_array_equal(there.bare, ~box(0, 10, 60, 54))
    np.testing.assert_array_equal(there.shape, box(16, 10))
    np.testing.assert_array_equal(slid(image, by(0, 0), shape, GREY).image, image)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (5, -7), (-63, 2), (64, 0), (-80, 80)])
def test_what_leaves_the_frame_is_lost(down, right):
    shape = box(0, 40, 30, 24)
    there = shifted(shape, down, right)
    wide = np.pad(shape, 80)
    np.testing.assert_array_equal(there, np.roll(wide, (down, right), (0, 1))[80:144, 80:144])


def test_an_object_goes_to_where_it_meets_the_mask_least_and_the_move_says_what_that_gains():
    shape, mask = box(20, 20, 24, 24), box(12, 12, 30, 30)
    move = best_move(shape, mask, Costs(0.02, 4))
    assert move.before == iou(shape, mask)
    assert move.after == iou(shifted(shape, move.down, move.right), mask) < 0.5 * move.before
    assert best_move(shape, box(0, 0, 8, 8), Costs(0.02, 4)).stays
    assert best_move(np.zeros_like(shape), mask, Costs(0.02, 4)).stays


def test_what_an_edge_of_the_frame_cuts_is_moved_along_it():
    shape, mask = box(20, 0, 24, 24), box(12, 0, 30, 30)
    move = best_move(shape, mask, Costs(0.0, 4))
    assert move.right == 0
    assert move.after < 0.5 * move.before


def test_nothing_is_moved_for_less_than_the_least_gain_or_where_the_object_fills_the_frame():
    shape, mask = box(20, 20, 24, 24), box(12, 12, 30, 30)
    free = best_move(shape, mask, Costs(0.0, 4))
    gain = free.before - free.after
    assert not best_move(shape, mask, Costs(0.0, 4, least_gain=gain - 0.01)).stays
    assert best_move(shape, mask, Costs(0.0, 4, least_gain=gain + 0.01)).stays
    assert best_move(np.ones_like(shape), mask, Costs(0.0, 4)).stays


def test_behind_a_moved_object_the_ground_goes_on_and_no_patch_of_one_colour_shows():
    shape = box(24, 0)
    image = scene(shape)
    there = slid(image, by(0, 12), shape, GREY)
    patched = there.image[there.covered]
    assert (patched == 9).all()
    whole = continued(there)
    np.testing.assert_array_equal(whole[~there.covered], there.image[~there.covered])
    # Both stripes come up, and nothing of the object.
    behind = set(map(tuple, whole[there.covered]))
    assert behind == set(map(tuple, image[:, 40]))
    plain = slid(bytes_of(picture(box(0, 0, 1, 1)[None]))[0], by(4, 0), np.zeros_like(shape), GREY)
    assert continued(plain) is plain.image
