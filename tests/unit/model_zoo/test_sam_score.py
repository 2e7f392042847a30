"""What the packaged segmenter can do on concepts that its training never showed."""

import pytest

from twig_assets.model_zoo.load_sam import load_sam
from twig_assets.model_zoo.sam_model import build_sam
from twig_assets.model_zoo.sam_score import measure_sam


def test_the_packaged_one_segments_scenes_of_concepts_it_never_saw() -> None:
    scores = measure_sam(load_sam(), 30, seed=101)
    assert scores["sam_iou_box"] >= 0.85
    assert scores["sam_iou_point"] >= 0.75
    assert scores["sam_auto_hit_rate"] >= 0.8


def test_an_untrained_one_scores_low() -> None:
    scores = measure_sam(build_sam().eval(), 4, seed=101)
    assert set(scores) == {"sam_iou_box", "sam_iou_point", "sam_auto_hit_rate"}
    assert max(scores.values()) < 0.5


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        measure_sam(build_sam().eval(), 0, seed=1)
