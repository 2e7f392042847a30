import pytest
from pydantic import ValidationError

from twig_assets.settings.regeneration import RegenerationSettings

SETTINGS = RegenerationSettings(until=0.5, radius=0.6, delay_until=0.9, trigger=0.4, strength_per_attempt=0.2)


def changed(reason, attempt=1, settings=SETTINGS):
    """The fields that a rerun changes, with their new values."""
    after, before = settings.for_rerun(reason, attempt).model_dump(), settings.model_dump()
    return {name: value for name, value in after.items() if value != before[name]}


@pytest.mark.parametrize("reason", ["copy", "near_miss", "lost_subject"])
def test_the_first_attempt_has_the_settings_themselves(reason):
    assert SETTINGS.for_rerun(reason, 0) == SETTINGS


def test_after_a_copy_every_attempt_acts_for_longer_from_further_away_and_leaves_out_words_upon_less():
    attempts = [SETTINGS.for_rerun("copy", k) for k in range(4)]
    assert [settings.until for settings in attempts] == pytest.approx([0.5, 0.7, 0.9, 1.0])
    assert [settings.radius for settings in attempts] == pytest.approx([0.6, 0.8, 1.0, 1.2])
    assert [settings.delay_until for settings in attempts] == pytest.approx([0.9, 1.0, 1.0, 1.0])
    assert [settings.trigger for settings in attempts] == pytest.approx([0.4, 0.2, 0.15, 0.15])


def test_a_near_miss_keeps_further_away_and_changes_nothing_else():
    assert changed("near_miss") == {"radius": pytest.approx(0.8)}


def test_where_the_subject_was_lost_less_is_done():
    assert changed("lost_subject") == {"strength": pytest.approx(0.6), "until": pytest.approx(0.3)}
    assert SETTINGS.for_rerun("lost_subject", 9).strength > 0, "or memorised prompts would be drawn as they are"


@pytest.mark.parametrize("reason", ["copy", "near_miss", "lost_subject"])
def test_no_number_of_attempts_makes_an_ordinary_prompt_memorised(reason):
    after = SETTINGS.for_rerun(reason, 9)
    assert (after.memorised, after.near_work) == (SETTINGS.memorised, SETTINGS.near_work)


def test_a_trigger_that_was_set_below_the_least_stays_where_it_was_set():
    assert RegenerationSettings(trigger=0.05).for_rerun("copy", 3).trigger == 0.05


@pytest.mark.parametrize("gone", ["neutral", "doubt_per_attempt"])
def test_a_setting_that_is_gone_is_named_with_the_reason(gone):
    with pytest.raises(ValidationError, match=f"'{gone}' is no longer a setting, since .*; delete it"):
        RegenerationSettings(**{gone: 0.1})
