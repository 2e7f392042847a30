import numpy as np
import pytest

from twig_assets.bench.models.distance import fid, kid, unbiased_kid


def sample(seed, count=200, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, 8))


def test_a_sample_is_at_no_distance_from_itself():
    assert kid(sample(0), sample(0)) == pytest.approx(0, abs=1e-9)
    assert fid(sample(0), sample(0)) == pytest.approx(0, abs=1e-6)


def test_a_shifted_source_is_further_than_the_same_source_again():
    for distance in (kid, fid, unbiased_kid):
        assert distance(sample(0), sample(1, shift=0.5)) > 3 * abs(distance(sample(0), sample(1)))


def test_the_unbiased_estimate_is_about_zero_for_one_source_and_the_biased_one_above():
    pairs = [(sample(2 * seed), sample(2 * seed + 1)) for seed in range(20)]
    biased, unbiased = (np.array([distance(a, b) for a, b in pairs]) for distance in (kid, unbiased_kid))
    assert (biased > 0).all()
    assert abs(unbiased.mean()) < 0.2 * biased.mean()


def test_fid_of_two_normal_sources_is_the_squared_distance_of_their_means():
    assert fid(sample(0, 50_000), sample(1, 50_000, shift=1.0)) == pytest.approx(8, rel=0.05)
