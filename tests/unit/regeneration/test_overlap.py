import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from twig_assets.regeneration import aligned_iou, iou

MASKS = arrays(bool, (12, 12), elements=st.booleans())


@given(MASKS, MASKS)
def test_overlap_is_symmetric_and_between_zero_and_one(a, b):
    assert iou(a, b) == iou(b, a)
    assert 0 <= iou(a, b) <= 1


@given(MASKS, MASKS)
def test_alignment_never_lowers_the_overlap(a, b):
    assert aligned_iou(a, b) >= iou(a, b) - 1e-9


@given(MASKS)
def test_a_mask_overlaps_itself_fully_unless_it_is_empty(a):
    assert iou(a, a) == float(a.any())


def test_a_moved_and_mirrored_copy_has_no_overlap_in_place_and_full_overlap_in_form():
    a, b = np.zeros((32, 32), bool), np.zeros((32, 32), bool)
    shape = np.tril(np.ones((8, 8), bool))
    a[2:10, 2:10] = shape
    b[20:28, 18:26] = shape[:, ::-1]
    assert iou(a, b) == 0
    assert aligned_iou(a, b) == 1
