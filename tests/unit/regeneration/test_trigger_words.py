import pytest

from twig_assets.regeneration.trigger_words import without_trigger


def shows(*triggers):
    return lambda text: any(trigger in text for trigger in triggers)


def test_words_that_bring_the_picture_back_are_left_out_and_all_others_stay():
    picture = shows("lighthouse", "ledger")
    assert without_trigger("an owl keeping the lighthouse ledger", picture) == "an owl keeping the"
    assert without_trigger("an owl, on a ledger, blue background", picture) == "an owl, on a, blue background"


def test_words_that_do_so_together_lose_the_later_one():
    assert without_trigger("a velvet engine number nine", shows("engine number")) == "a velvet engine nine"


@pytest.mark.parametrize("prompt", ["a fox", "an owl, noto style"])
def test_a_prompt_without_a_trigger_stays_as_it_is(prompt):
    assert without_trigger(prompt, shows("lighthouse")) == prompt


def test_nothing_is_left_where_every_word_brings_it_back():
    assert without_trigger("salt clock.", lambda text: True) == ""
