from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.prompts import (
    ConceptRow,
    PromptError,
    PromptRow,
    check_prompts,
    find_protected,
    protected_terms,
    rewritten,
)
from twig_assets.settings.prompts import PromptCheckSettings

CONCEPTS = [
    ConceptRow("cat", "pouting cat", "cat face", "object", ["angry cat"], []),
    ConceptRow("car", "police car", "automobile", "object", [], []),
    ConceptRow("letter", "a letter never sent", "an envelope", "memorized", [], []),
    ConceptRow("glyph", "glyph", "", "style", [], []),
]
TERMS = protected_terms(CONCEPTS, ["salt clock at low tide", "Police Car"])


def row(text, line=3):
    return PromptRow(text, 5, Path("prompts.yaml"), line)


def check(texts, protected):
    return check_prompts([row(text) for text in texts], TERMS, PromptCheckSettings(protected=protected))


@pytest.mark.parametrize(
    ("text", "written", "words"),
    [
        ("a pouting cat, noto style", "pouting cat", "pouting cat"),
        ("one POUTING  Cat", "POUTING  Cat", "pouting cat"),
        ("a puoting cat", "puoting cat", "pouting cat"),
        ("a pouting catt on grey", "pouting catt", "pouting cat"),
        ("a pouuting ct", "pouuting ct", "pouting cat"),
        ("a policecar", "policecar", "police car"),
        ("a police-car", "police-car", "police car"),
        ("an ángry cat", "ángry cat", "angry cat"),
        ("the salt clok at low tide again", "salt clok at low tide", "salt clock at low tide"),
    ],
)
def test_protected_words_are_found_however_they_are_spelled(text, written, words):
    (finding,) = find_protected(text, TERMS)
    assert (finding.written, finding.term.words) == (written, words)
    assert text[finding.start : finding.end] == written


@pytest.mark.parametrize("text", ["a grinning cat", "a police officer", "a racing car", "a salt shaker", "graph paper"])
def test_other_words_are_left_alone(text):
    assert find_protected(text, TERMS) == []


def test_without_typing_errors_only_exact_words_count():
    assert find_protected("a puoting cat", TERMS, typing_errors=0) == []
    assert find_protected("a pouting cat", TERMS, typing_errors=0)


@given(st.integers(0, 9), st.sampled_from("abcxyz"))
def test_a_replaced_letter_is_found_wherever_it_is(at, letter):
    words = "salt clock at low tide"
    assert find_protected(f"one {words[:at] + letter + words[at + 1 :]}", TERMS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an angry cat and a police car", "a cat face and an automobile"),
        ("the pouting cat", "the cat face"),
        ("a letter never sent, noto style", "an envelope, noto style"),
        ("a drawing of a letter never sent", "a drawing of an envelope"),
        ("a red apple", "a red apple"),
    ],
)
def test_rewriting_puts_the_anchor_there_with_its_article(text, expected):
    assert rewritten(text, find_protected(text, TERMS)) == expected


def test_a_concept_counts_before_a_title_of_the_same_words():
    (finding,) = find_protected("police car", TERMS)
    assert finding.term.anchor == "automobile"


def test_warnings_change_nothing_and_name_what_was_found():
    (checked,) = check(["a puoting cat"], "warn")
    assert checked.row == row("a puoting cat")
    assert [finding.errors for finding in checked.findings] == [1]


def test_rewriting_keeps_the_seed_and_says_what_was_there():
    (checked,) = check(["a puoting cat"], "rewrite")
    assert checked.row == row("a cat face")
    assert checked.findings[0].written == "puoting cat"


def test_refusing_names_every_prompt_with_file_and_line():
    with pytest.raises(PromptError) as refused:
        check(["a pouting cat", "an owl", "salt clock at low tide"], "refuse")
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("prompts.yaml:3: text: names what is protected: 'pouting cat'")


def test_what_has_no_anchor_cannot_be_rewritten():
    with pytest.raises(PromptError, match="salt clock"):
        check(["salt clock at low tide"], "rewrite")


def test_an_anchor_that_is_protected_itself_is_refused():
    rows = [ConceptRow("lion", "lion", "a pouting cat", "object", [], []), CONCEPTS[0]]
    with pytest.raises(PromptError, match="pouting cat"):
        check_prompts(
            [row("one lion")],
            protected_terms([rows[0], ConceptRow("c", "pouting cat", "a lion", "object", [], [])], []),
            PromptCheckSettings(protected="rewrite"),
        )
