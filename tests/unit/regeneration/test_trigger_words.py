import pytest

from twig_assets.regeneration.trigger_words import without_triggers


def without(prompt, *triggers):
    """The prompt without its trigger, where each of some parts of a text brings the picture back."""

    def shown(at, texts):
        return [0.9 if any(part in text for part in triggers) else 0.1 for text in texts]

    return without_triggers([prompt], shown, 0.5)[0]


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
    assert without_triggers(["salt clock tide."], lambda at, texts: [scores[t] for t in texts], 0.5) == ["clock"]


def test_prompts_of_several_lengths_are_read_word_by_word_together():
    asked = []

    def shown(at, texts):
        asked.append(dict(zip(at, texts, strict=True)))
        return [0.9 if text.endswith("ledger") else 0.1 for text in texts]

    assert without_triggers(["an owl ledger", "", "a fox"], shown, 0.5) == ["an owl", "", "a fox"]
    assert asked == [{0: "an", 2: "a"}, {0: "an owl", 2: "a fox"}, {0: "an owl ledger"}]
