"""The prompts of the campaign benchmark: what they ask for, and that no protected work answers an ordinary one."""

from collections import Counter

import pytest

from twig_assets.bench.campaigns.end_to_end.asked import named_in, prompts
from twig_assets.bench.campaigns.end_to_end.protected import CONCEPTS, protected_art
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import STYLES, aliases, held_out
from twig_assets.prompts import find_protected
from twig_assets.prompts.protected import Term

ASKED = prompts(64, 8, 16, 8)


def test_the_kinds_and_wordings_are_those_that_were_asked_for() -> None:
    assert Counter(asked.kind for asked in ASKED) == {"ordinary": 64, "protected": 8, "content": 16, "title": 8}
    ordinary = [asked for asked in ASKED if asked.kind == "ordinary"]
    assert len({asked.concepts for asked in ordinary}) == 64
    assert {asked.wording for asked in ordinary} == {"plain", "typing error", "paraphrase", "held-out pair"}
    places = Counter((s, g) for a in ordinary for s in STYLES for g in ("white", "blue") if s in a.text and g in a.text)
    assert set(places.values()) == {8}, places
    assert len({asked.text for asked in ASKED}) == len({asked.seed for asked in ASKED}) == 96


def test_the_same_prompts_are_asked_every_time_and_again_with_other_seeds() -> None:
    assert prompts(64, 8, 16, 8) == ASKED
    thrice = prompts(64, 8, 16, 8, seeds=3)
    assert thrice[:96] == ASKED
    assert Counter(asked.text for asked in thrice) == Counter({asked.text: 3 for asked in ASKED})
    assert len({asked.seed for asked in thrice}) == 288


def test_a_quarter_has_every_style_every_wording_and_both_grounds() -> None:
    few = [asked for asked in prompts(16, 2, 4, 2) if asked.kind == "ordinary"]
    assert len({asked.text for asked in few}) == 16
    assert {asked.wording for asked in few} == {"plain", "typing error", "paraphrase", "held-out pair"}
    assert all(any(word in asked.text for asked in few) for word in (*STYLES, "white", "blue"))


def test_no_ordinary_prompt_asks_for_a_drawing_that_is_protected() -> None:
    pasted = {(s.name, s.style) for work in planted.TITLES + planted.WITH_CONTENT for s in work.stickers}
    words = [word for concept in CONCEPTS for word in (concept["target"], *concept["aliases"])]
    terms = [Term(word) for word in (*words, *(work.title for work in planted.TITLES + planted.WITH_CONTENT))]
    for asked in (asked for asked in ASKED if asked.kind == "ordinary"):
        [style] = [style for style in STYLES if style in asked.text]
        assert (asked.concepts[0], style) not in pasted
        assert asked.concepts[0] not in {name for name, _ in protected_art()}
        assert not find_protected(asked.text, terms), asked.text
        assert ((asked.concepts[0], style) in held_out()) == (asked.wording == "held-out pair")


def test_a_typing_error_changes_the_name_and_a_paraphrase_uses_another_word() -> None:
    for asked in (asked for asked in ASKED if asked.kind == "ordinary"):
        [name] = asked.concepts
        if asked.wording == "typing error":
            assert name.lower() not in asked.text
        if asked.wording == "paraphrase":
            assert any(word.lower() in asked.text for word in aliases()[name])
        if asked.wording in ("plain", "held-out pair"):
            assert name.lower() in asked.text


def test_a_title_that_names_nothing_known_has_no_right_picture() -> None:
    concepts = {asked.text: asked.concepts for asked in ASKED}
    assert concepts["an owl keeping the lighthouse ledger"] == ("owl",)
    assert concepts["portrait of a borrowed winter"] == ()
    assert concepts["a letter never sent to the moon"] == ("envelope",), "a letter is another word for an envelope"


@pytest.mark.parametrize(("text", "concepts"), [("a big Burger", ("hamburger",)), ("a catalog", ()), ("", ())])
def test_concepts_are_named_by_whole_words(text: str, concepts: tuple[str, ...]) -> None:
    assert named_in(text) == concepts
