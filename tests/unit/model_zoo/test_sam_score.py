"""What the packaged segmenter can do on concepts that its training never showed."""

import pytest

from twig_assets.model_zoo.load_sam import load_sam
from twig_assets.model_zoo.sam_model import build_sam
from twig_assets.model_zoo.sam_score import measure_sam


def test_the_packaged_one_is_far_better_than_an_untrained_one_and_a_box_tells_it_more_than_a_point() -> None:
    # The figures themselves, beside their goals, are the benchmark's to state.
    trained, untrained = measure_sam(load_sam(), 20, seed=101), measure_sam(build_sam().eval(), 20, seed=101)
    assert all(trained[name] > untrained[name] + 0.2 for name in trained)
    assert trained["sam_iou_box"] > trained["sam_iou_point"]


def test_an_untrained_one_scores_low() -> None:
    scores = measure_sam(build_sam().eval(), 4, seed=101)
    assert set(scores) == {"sam_iou_box", "sam_iou_point", "sam_auto_hit_rate"}
    assert max(scores.values()) < 0.5


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        measure_sam(build_sam().eval(), 0, seed=1)
