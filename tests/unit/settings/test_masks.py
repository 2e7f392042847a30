"""Choices of mask sources are checked where they are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twig_assets.settings.masks import MaskSettings, Place

MIDDLE = {"point": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "prompted"}, "needs a place or places"),
        ({"place": MIDDLE}, "'automatic' looks at no place"),
        ({"source": "bright_ending", "places": {"an owl": MIDDLE}}, "'bright_ending' looks at no place"),
        ({"source": "bright_ending", "unusable": "bright_ending"}, "no second try"),
        ({"source": "by hand"}, "source"),
        ({"source": "prompted", "place": {}}, "names no place"),
        ({"source": "prompted", "place": {"box": [0, 0, 0.5, 0]}}, "holds nothing"),
        ({"source": "prompted", "place": {"box": [0.5, 0, 0.6, 1]}}, "reaches out of the image"),
        ({"source": "prompted", "place": {"point": [0.5, 1.5]}}, "less than or equal to 1"),
        ({"min_brightness": 2}, "min_brightness"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        MaskSettings.model_validate(fields)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(8, 600), st.integers(8, 600))
def test_places_lie_inside_images_of_every_size(shares, height, width):
    left, upper = shares[0] * 0.99, shares[1] * 0.99
    place = Place(
        box=(left, upper, max(0.001, (1 - left) * shares[2]), max(0.001, (1 - upper) * shares[3])),
        point=(shares[0], shares[1]),
    )
    x, y, across, down = place.box_in(height, width)
    assert 0 <= x < x + across <= width
    assert 0 <= y < y + down <= height
    at_x, at_y = place.point_in(height, width)
    assert 0 <= at_x < width
    assert 0 <= at_y < height
