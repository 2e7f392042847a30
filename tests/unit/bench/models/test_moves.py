import numpy as np
import pytest

from tests.unit.regeneration.pictures import box
from twig_assets.bench.models.moves import BUSY, OWN, PHOTOGRAPHS, PLAIN, bars, middle
from twig_assets.bench.models.seams import mirror_likeness, seam_ratio
from twig_assets.regeneration.moving import Move, slid

NOISE = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
NOTHING = np.zeros((64, 64), bool)


@pytest.mark.parametrize(("down", "right"), [(9, 0), (-9, 0), (0, 9), (0, -9), (9, -9)])
def test_a_mirrored_strip_is_a_mirror_image_without_a_seam_and_one_colour_is_neither(down, right):
    move = Move(down, right, 0.5, 0.1)
    there = slid(NOISE, move, NOTHING, [0, 0, 0])
    assert mirror_likeness(there.image, move) > 0.99
    assert seam_ratio(there.image, move) == pytest.approx(1, abs=0.2)
    stepped = np.where(there.bare[..., None], 255, there.image // 4).astype(np.uint8)
    assert abs(mirror_likeness(stepped, move)) < 0.5
    assert seam_ratio(stepped, move) > 5


def test_a_shape_is_set_into_the_middle_of_the_frame():
    np.testing.assert_array_equal(middle(box(0, 41, 20, 10)), box(22, 27, 20, 10))


def test_the_bars_are_ratios_to_what_was_there_and_a_miss_is_a_miss():
    figures = {"overlap_before": 0.4, "overlap_by_mask": 0.2, "seam_chosen": 2.0, "evaluations_mean": 0.0}
    rows = [{"kind": kind, **figures} for kind in (PHOTOGRAPHS, BUSY, OWN, PLAIN)]
    rows[1]["overlap_by_mask"] = 0.3
    measured = {bar.name: (bar.value, bar.holds) for bar in bars(rows)}
    assert measured == {
        "photographs_overlap_ratio": (pytest.approx(0.5), True),
        "busy_overlap_ratio": (pytest.approx(0.75), False),
        "busy_seam_ratio": (2.0, False),
        "plain_evaluations": (0.0, True),
    }
