"""The cost of a campaign's models, call by call."""

from unittest.mock import patch

import numpy as np
import pytest

from twig_assets.bench.campaigns.end_to_end.cost import Call, cost_row, counted
from twig_assets.compliance.attempts import drawing


def test_the_ratio_is_all_model_time_over_two_plain_draws_of_each_prompt() -> None:
    plain = [Call("generate", 16, 8.0), Call("generate", 16, 4.0), Call("generate", 16, 4.0), Call("generate", 2, 9.0)]
    row = cost_row([*plain, Call("regenerate", 0, 10.0), Call("segment", 0, 5.0)], prompts=20)
    assert row["plain_seconds_per_image"] == 0.25, "the median of the full batches"
    assert row["cost_ratio"] == pytest.approx(40 / (2 * 0.25 * 20))
    assert row["model_seconds"] == {"generate": 25.0, "regenerate": 10.0, "segment": 5.0}
    assert row["plain_images"] == 50


def test_only_first_images_count_as_plain_and_the_functions_are_put_back() -> None:
    calls: list[Call] = []
    images = np.zeros((3, 8, 8, 3), np.uint8)
    with (
        patch.object(drawing, "generate", lambda: images),
        patch.object(drawing, "masks_from", lambda: [1, 2]),
    ):
        with counted(calls):
            assert drawing.generate() is images  # type: ignore[call-arg]
            drawing.masks_from()  # type: ignore[call-arg]
        drawing.generate()  # type: ignore[call-arg]
    assert [(call.function, call.plain) for call in calls] == [("generate", 3), ("masks_from", 0)]
    assert all(call.seconds >= 0 for call in calls)


def test_a_call_that_another_one_makes_is_a_part_of_that_one() -> None:
    calls: list[Call] = []
    with (
        patch.object(drawing, "masks_from", lambda: [drawing.generate()]),  # type: ignore[call-arg]
        patch.object(drawing, "generate", lambda: [1, 2]),
        counted(calls),
    ):
        drawing.masks_from()  # type: ignore[call-arg]
        drawing.generate()  # type: ignore[call-arg]
    assert [call.function for call in calls] == ["masks_from", "generate"]
