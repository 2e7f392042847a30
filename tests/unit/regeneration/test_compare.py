import numpy as np
import pytest

from twig_assets.model_zoo import planted
from twig_assets.regeneration import compare

PICTURES = np.stack([planted.picture(work) for work in planted.WORKS[:3]])


def square(left):
    mask = np.zeros((1, 64, 64), bool)
    mask[:, 20:40, left : left + 16] = True
    return mask


def test_a_mirrored_copy_is_detected_by_form_and_by_the_best_of_eight_orientations():
    first = PICTURES[:1]
    figures = compare(first, np.ascontiguousarray(first[:, :, ::-1]), square(8), square(40))
    assert figures["location_iou"] == 0
    assert figures["form_iou"] == pytest.approx(1)
    assert figures["ssim_first"] < 0.6
    assert figures["ssim_first_best_of_8"] == pytest.approx(1)
    assert figures["shapes"] == 1


def test_without_usable_masks_only_figures_that_need_none_are_given():
    none = np.zeros((3, 64, 64), bool)
    figures = compare(PICTURES, PICTURES, none, none)
    assert figures == {"ssim_first": pytest.approx(1), "ssim_first_best_of_8": pytest.approx(1), "shapes": 0}


def test_pictures_that_are_not_square_are_compared_without_quarter_turns():
    wide = PICTURES[:, :40]
    none = np.zeros(wide.shape[:3], bool)
    assert compare(wide, wide[:, ::-1, ::-1], none, none)["ssim_first_best_of_8"] == pytest.approx(1)
