"""Captions: what they promise about typing errors, length and odd characters."""

from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, aliases, concept_names
from twig_assets.model_zoo.training.captions import MAX_TOKENS, VOCABULARY, caption, train_tokenizer, with_typo

ODD_TEXTS = [
    "naïve café ß",
    "日本語 🍎",
    "a\x00b\x7f",
    "Ünïcödé €",
    "((a cat:1.2)) [dog]",
    "ﬁ ligature",
    "\u200bhidden",
    "100% £5 ½",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def edit_distance(a: str, b: str) -> int:
    """Optimal string alignment: insertions, deletions, replacements and swaps of neighbours all count one."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (not same))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return int(table[-1, -1])


def test_a_typo_is_one_slip_of_the_fingers_and_spares_the_first_letter() -> None:
    rng = np.random.default_rng(0)
    for name in concept_names():
        misspelt = with_typo(name, rng)
        assert edit_distance(name, misspelt) <= 1, f"{name} -> {misspelt}"
        assert misspelt[0] == name[0]


def test_most_typos_change_the_word() -> None:
    rng = np.random.default_rng(1)
    assert sum(with_typo("octopus", rng) != "octopus" for _ in range(100)) > 80


def test_words_of_three_letters_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    assert {with_typo("owl", rng) for _ in range(20)} == {"owl"}


def test_the_same_seed_gives_the_same_captions() -> None:
    first, again = (
        [caption("owl", "noto", "blue", rng) for _ in range(20)]
        for rng in (np.random.default_rng(5), np.random.default_rng(5))
    )
    assert first == again
    assert len(set(first)) > 10


def test_captions_vary_the_name_tell_the_ground_and_mostly_the_style() -> None:
    rng = np.random.default_rng(6)
    texts = [caption("dog face", "glyph", "blue", rng) for _ in range(400)]
    assert all("blue" in text for text in texts)
    assert 0.8 < sum("glyph" in text for text in texts) / 400 < 0.9
    assert any("puppy" in text for text in texts)
    assert any("in the style of" in text for text in texts)
    words = ["dog face", *aliases()["dog face"]]
    misspelt = sum(not any(word in text for word in words) for text in texts) / 400
    assert 0.02 < misspelt < 0.15


def test_every_caption_and_title_fits_the_text_encoder(tokenizer: CLIPTokenizer) -> None:
    rng = np.random.default_rng(7)
    grounds = list(BACKGROUNDS)
    texts = [work.title for work in planted.WORKS]
    for name in concept_names():
        texts += [caption(name, style, grounds[rng.integers(len(grounds))], rng) for style in STYLES for _ in range(3)]
    lengths = [len(ids) for ids in tokenizer(texts).input_ids]
    assert max(lengths) < MAX_TOKENS


def test_the_vocabulary_has_the_planned_size_and_holds_every_byte(tokenizer: CLIPTokenizer) -> None:
    assert len(tokenizer) == VOCABULARY
    assert tokenizer.model_max_length == MAX_TOKENS


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_strange_character_never_reads_as_the_end_of_the_text(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in ids[1:-1]
    assert len(ids) > 2


@pytest.mark.parametrize(
    "text",
    ["a red apple, noto style on a blue background", "naïve café", "日本語 🍎", *(w.title for w in planted.WORKS)],
)
def test_text_survives_the_tokenizer(tokenizer: CLIPTokenizer, text: str) -> None:
    back = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
    assert str(back).replace(" ", "") == text.replace(" ", "")
