import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.generation.autoencoder import decode, encode
from twig_assets.regeneration import RegenerationSettings, iou
from twig_assets.regeneration.move import Shift, best_shift, move, objects, shifted
from twig_assets.regeneration.steering import Prediction

CELL = 4
AT_ONCE = RegenerationSettings(move_at=0.0)


def box(top, left, height=16, width=16, size=64):
    mask = np.zeros((size, size), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def moved(mask, by):
    return np.roll(mask, (by.down * CELL, by.right * CELL), (0, 1))


def picture(shape):
    pixels = np.where(shape[..., None], np.float32([0.8, 0.1, 0.1]), np.float32([0.9, 0.9, 0.9]))
    return torch.from_numpy(np.moveaxis(pixels, -1, -3))


boxes = st.builds(box, st.integers(0, 32), st.integers(0, 32), st.integers(8, 32), st.integers(8, 32))


@given(boxes, boxes, st.sampled_from([0.0, 0.02, 1.0]))
def test_no_shift_moves_anything_out_of_the_frame_or_overlaps_more_than_staying(shape, mask, edge_cost):
    by = best_shift(shape, mask, CELL, edge_cost)
    there = moved(shape, by)
    rows, columns = shape.any(1).nonzero()[0], shape.any(0).nonzero()[0]
    assert rows[0] + by.down * CELL >= 0
    assert rows[-1] + by.down * CELL < 64
    assert columns[0] + by.right * CELL >= 0
    assert columns[-1] + by.right * CELL < 64
    assert iou(there, mask) <= iou(shape, mask) + 1e-9


def test_the_best_shift_is_as_good_as_any_that_was_tried_one_by_one():
    shape, mask = box(18, 26, 20, 12), box(10, 14, 30, 34)
    tried = [
        iou(moved(shape, Shift(down, right)), mask) for down in range(-4, 7) for right in range(-6, 7)
    ]  # fmt: skip
    assert iou(moved(shape, best_shift(shape, mask, CELL, 0.0)), mask) == pytest.approx(min(tried))


def test_what_touches_an_edge_only_to_get_away_a_little_further_stays_off_it():
    shape, mask = box(24, 24), box(24, 4, 16, 36)
    to_the_edge, off_it = best_shift(shape, mask, CELL, 0.0), best_shift(shape, mask, CELL, 10.0)
    assert iou(moved(shape, to_the_edge), mask) == 0
    rows, columns = (moved(shape, off_it).any(axis).nonzero()[0] for axis in (1, 0))
    assert min(rows[0], columns[0], 63 - rows[-1], 63 - columns[-1]) >= CELL
    touching = box(0, 24)
    assert best_shift(touching, box(40, 40), CELL, 10.0).down == 0


def test_an_empty_shape_goes_nowhere():
    assert best_shift(np.zeros((64, 64), bool), box(4, 4), CELL, 0.02) is None


def test_an_object_is_what_differs_from_the_ground_without_specks_and_holes():
    shape = box(10, 20)
    drawn = shape & ~box(16, 26, 2, 2) | box(50, 50, 1, 1)
    np.testing.assert_array_equal(objects(picture(drawn)[None])[0], shape)
    assert not objects(torch.full((1, 3, 64, 64), 0.5)).any()


def test_shifting_keeps_what_was_drawn_and_shows_what_is_given_where_it_was():
    latents, fresh = torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    there = shifted(latents, Shift(1, -2), fresh)
    assert torch.equal(there[:, 1:, :4], latents[:, :3, 2:])
    assert torch.equal(there[:, :1], fresh[:, :1])
    assert torch.equal(there[:, :, 4:], fresh[:, :, 4:])
    assert torch.equal(shifted(latents, Shift(0, 0), fresh), latents)


def test_the_drawing_moves_off_the_mask_with_its_noise_and_others_are_left_alone(pipeline):
    shape = box(20, 20, 24, 24)
    pixels = (picture(np.stack([shape, shape])) * 255).byte().permute(0, 2, 3, 1).numpy()
    clean = encode(pipeline, pixels, (64, 64))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    now = Prediction(clean, 0.6 * clean + 0.8 * noise, 0.6, 0.8, 0, 10)
    after = move(pipeline, np.stack([box(12, 12, 30, 30), box(0, 0, 8, 8)]), [1, 2], AT_ONCE)(now)
    before, now_at = objects(decode(pipeline, clean))[0], objects(decode(pipeline, after.clean))[0]
    assert iou(now_at, box(12, 12, 30, 30)) < 0.5 * iou(before, box(12, 12, 30, 30))
    assert now_at.sum() == pytest.approx(before.sum(), rel=0.1)
    carried = (after.sample[0] - 0.6 * after.clean[0]) / 0.8
    assert abs(float(carried.std()) - 1) < 0.1
    assert not torch.equal(carried, noise[0])
    assert torch.equal(after.clean[1], clean[1])
    assert torch.equal(after.sample[1], now.sample[1])


def test_nothing_is_moved_before_its_time(pipeline):
    early = Prediction(torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 16, 16), 0.6, 0.8, 3, 10)
    assert move(pipeline, box(4, 4)[None], [1], RegenerationSettings(move_at=0.4))(early) is early
