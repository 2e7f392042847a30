"""Settings are checked where they are given."""

import pytest
from pydantic import ValidationError

from twig_assets.segmentation import SegmentationSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("points_per_side", 0),
        ("pred_iou_thresh", 1.5),
        ("stability_score_thresh", -0.1),
        ("min_area", 0),
        ("max_area", 1.2),
        ("background_border", 0),
        ("feather", 0.8),
        ("threshold", 0.5),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        SegmentationSettings(**{field: value})


def test_the_smallest_area_must_be_below_the_largest() -> None:
    with pytest.raises(ValidationError, match="min_area"):
        SegmentationSettings(min_area=0.6, max_area=0.5)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        SegmentationSettings().min_area = 0.5
