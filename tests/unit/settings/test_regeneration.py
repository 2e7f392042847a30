import itertools

import pytest

from twig_assets.settings.regeneration import RegenerationSettings


def test_every_attempt_is_stronger_than_the_one_before():
    attempts = [RegenerationSettings().for_attempt(attempt) for attempt in range(10)]
    assert attempts[0] == RegenerationSettings()
    for before, after in itertools.pairwise(attempts):
        assert (after.until, after.delay_until, after.radius) >= (before.until, before.delay_until, before.radius)
        assert after.memorised <= before.memorised
        assert after.near_work <= before.near_work
    assert attempts[1].until > attempts[0].until
    assert (attempts[1].memorised, attempts[1].near_work) == pytest.approx((0.7, 0.45))
    assert (attempts[9].memorised, attempts[9].near_work) == (0.3, 0.3)


def test_every_further_attempt_acts_for_longer_and_from_further_away():
    settings = RegenerationSettings(until=0.5, radius=0.6, delay_until=0.9, strength_per_attempt=0.2)
    assert [settings.for_attempt(k).until for k in range(4)] == pytest.approx([0.5, 0.7, 0.9, 1.0])
    assert [settings.for_attempt(k).radius for k in range(3)] == pytest.approx([0.6, 0.8, 1.0])
    assert [settings.for_attempt(k).delay_until for k in range(2)] == pytest.approx([0.9, 1.0])


def test_a_threshold_that_was_set_below_the_least_stays_where_it_was_set():
    assert RegenerationSettings(near_work=0.1).for_attempt(3).near_work == 0.1
