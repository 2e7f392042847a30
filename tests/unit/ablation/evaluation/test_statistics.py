import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.ablation.evaluation.statistics import mean_estimate, paired_kid, relative_drop_estimate

VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@given(VALUES)
def test_an_interval_holds_its_value_and_stays_within_the_sample(values):
    estimate = mean_estimate(values, resamples=50)
    assert estimate.low <= estimate.value <= estimate.high
    assert min(values) - 1e-9 <= estimate.low
    assert estimate.high <= max(values) + 1e-9
    assert estimate.n == len(values)


@given(VALUES, st.floats(-3, 3))
def test_an_interval_moves_with_its_sample(values, by):
    estimate, moved = mean_estimate(values, 50), mean_estimate([v + by for v in values], 50)
    assert moved.value == pytest.approx(estimate.value + by, abs=1e-9)
    assert (moved.low, moved.high) == pytest.approx((estimate.low + by, estimate.high + by), abs=1e-9)


def test_the_same_seed_gives_the_same_interval_and_more_samples_a_narrower_one():
    few, many = [0, 1] * 5, [0, 1] * 200
    ramp = np.arange(10) ** 2
    assert mean_estimate(ramp, seed=3) == mean_estimate(ramp, seed=3)
    assert mean_estimate(ramp, 50, seed=3) != mean_estimate(ramp, 50, seed=4)
    widths = [estimate.high - estimate.low for estimate in (mean_estimate(few), mean_estimate(many))]
    assert widths[1] < widths[0] / 4


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    estimates = [mean_estimate(rng.random(40) < 0.3, 400) for _ in range(200)]
    assert 0.88 <= np.mean([estimate.low <= 0.3 <= estimate.high for estimate in estimates]) <= 0.99


def test_a_drop_is_a_share_of_what_was_there_and_none_of_nothing():
    estimate = relative_drop_estimate(np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)
    assert relative_drop_estimate(np.zeros(2), np.zeros(2)).value == 0


def unit(rng, count, towards=0.0):
    vectors = rng.normal(size=(count, 32))
    vectors[:, 0] += towards
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_set_has_exactly_no_distance_from_itself():
    sample = unit(np.random.default_rng(0), 20)
    estimate = paired_kid(sample, sample)
    assert estimate.value == pytest.approx(0, abs=1e-12)
    assert estimate.high - estimate.low == pytest.approx(0, abs=1e-12)


def test_two_samples_of_one_source_are_about_no_distance_apart_and_others_are_far():
    rng = np.random.default_rng(1)
    same = [paired_kid(unit(rng, 40), unit(rng, 40), 10).value for _ in range(30)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(30)
    far = paired_kid(unit(rng, 40), unit(rng, 40, towards=5), 100)
    assert far.low > max(same)


def test_the_distance_is_the_same_both_ways():
    rng = np.random.default_rng(2)
    a, b = unit(rng, 15), unit(rng, 15, towards=2)
    assert paired_kid(a, b).model_dump() == pytest.approx(paired_kid(b, a).model_dump())
