import pytest

from twig_assets.regeneration.trigger_words import without_trigger


def without(prompt, *triggers):
    """The prompt without its trigger, where each of some parts of a text brings the picture back."""
    return without_trigger(prompt, lambda text: 0.9 if any(part in text for part in triggers) else 0.1, 0.5)


def test_words_that_bring_the_picture_back_are_left_out_and_all_others_stay():
    assert without("an owl keeping the lighthouse ledger", "lighthouse", "ledger") == "an owl keeping the"
    assert without("an owl, on a ledger, blue background", "ledger") == "an owl, on a, blue background"


def test_words_that_do_so_together_lose_the_later_one():
    assert without("a velvet engine number nine", "engine number") == "a velvet engine nine"


@pytest.mark.parametrize("prompt", ["a fox", "an owl, noto style"])
def test_a_prompt_without_a_trigger_stays_as_it_is(prompt):
    assert without(prompt, "lighthouse") == prompt


def test_where_every_word_brings_it_back_the_one_that_does_so_least_is_left():
    scores = {"salt": 0.8, "clock": 0.6, "tide.": 0.9}
    assert without_trigger("salt clock tide.", lambda text: scores[text], 0.5) == "clock"
