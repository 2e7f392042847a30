"""Confidence intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.bench.intervals import bootstrap_ratio, wilson


def test_figures_of_the_literature() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe, Statistics in Medicine 17, 1998
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_share_lies_within_and_mirrors(counted: tuple[int, int]) -> None:
    count, of = counted
    low, high = wilson(count, of)
    assert 0 <= low <= count / of <= high <= 1
    assert wilson(of - count, of) == pytest.approx((1 - high, 1 - low))


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution_for_many() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = bootstrap_ratio(values, np.ones(400))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_a_ratio_of_two_sums_of_the_same_members_is_certain_when_they_are_equal() -> None:
    over = [1, 0, 1, 1]
    assert bootstrap_ratio(over, over) == (1, 1), "what both sums share does not widen the interval"
    assert bootstrap_ratio([1, 1, 0, 0, 1, 0], [1] * 6) == bootstrap_ratio([1, 1, 0, 0, 1, 0], [1] * 6)


def test_a_ratio_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="denominator is 0"):
        bootstrap_ratio([1, 0], [0, 0])
