"""Captions the embedded models are trained on: names, other words, templates, styles, grounds and typing errors."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from twig_assets.english import article
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import BACKGROUNDS, STYLES, aliases, concept_names

MAX_TOKENS = 32
VOCABULARY = 2048
TYPO_SHARE = 0.1
NO_STYLE_SHARE = 0.15

_SUBJECTS = (
    "{name}",
    "{a} {name}",
    "{a} {name}",
    "{a} {name}",
    "the {name}",
    "a picture of {a} {name}",
    "an image of {a} {name}",
    "a drawing of {a} {name}",
    "an icon of {a} {name}",
    "an emoji of {a} {name}",
    "a sticker of {a} {name}",
    "{name} sticker",
    "{name} emoji",
    "one {name}",
)
_IN_STYLE = ("{subject}, {style} style", "{subject} in {style} style", "{subject} in the style of {style}")
_ON_GROUND = ("{subject} on a {ground} background", "{subject}, {ground} background", "{subject} on {ground}")


def caption(name: str, style: str, background: str, rng: np.random.Generator) -> str:
    """A random caption for a view of a concept: another word for it, a template, sometimes a typo or no style."""
    words = [name, name, *aliases()[name]]
    word = words[rng.integers(len(words))].lower()
    shown = with_typo(word, rng) if rng.random() < TYPO_SHARE else word
    subject = _SUBJECTS[rng.integers(len(_SUBJECTS))].format(name=shown, a=article(shown))
    parts = []
    if rng.random() >= NO_STYLE_SHARE:
        parts.append((_IN_STYLE[rng.integers(len(_IN_STYLE))], {"style": style}))
    if background != "white" or rng.random() < 0.5:
        parts.append((_ON_GROUND[rng.integers(len(_ON_GROUND))], {"ground": background}))
    if rng.random() < 0.3:
        parts.reverse()
    for template, value in parts:
        subject = template.format(subject=subject, **value)
    return subject


def with_typo(word: str, rng: np.random.Generator) -> str:
    """The word with one letter dropped, doubled, swapped with the next or replaced; short words are left alone."""
    if len(word) < 4:
        return word
    at = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + string.ascii_lowercase[rng.integers(26)] + word[at + 1 :]


def open_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer kept in `folder`, trained now if there is none.

    Training it again gives the same words but numbers a few fragments differently (the trainer breaks ties by chance),
    so all stages must share one.
    """
    if (folder / "tokenizer.json").exists():
        return CLIPTokenizer.from_pretrained(folder)
    return train_tokenizer(folder)


def train_tokenizer(folder: Path) -> CLIPTokenizer:
    """Train the byte-pair vocabulary on sampled captions and save it as a CLIPTokenizer in `folder`."""
    rng = np.random.default_rng(0)
    pairs = [(name, style) for name in concept_names() for style in STYLES]
    grounds = list(BACKGROUNDS)
    corpus = [
        caption(*pairs[rng.integers(len(pairs))], grounds[rng.integers(len(grounds))], rng) for _ in range(60_000)
    ]
    corpus += [work.title for work in planted.WORKS] * 40
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    start = {token: i for i, token in enumerate(["<|startoftext|>", "<|endoftext|>", *letters])}
    trained = CLIPTokenizer(vocab=start, merges=[]).train_new_from_iterator(corpus, vocab_size=VOCABULARY)
    # The trainer leaves out word-final bytes that the corpus lacks; without them a strange character would read as
    # the end of the text, so the vocabulary is laid out again with all of them.
    merges = json.loads(trained.backend_tokenizer.to_str())["model"]["merges"]
    merged = ["".join(pair) for pair in merges]
    tokens = [*start, *(letter + "</w>" for letter in letters), *merged]
    room = VOCABULARY - len(start) - len(letters)
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens[: len(tokens) - len(merged) + room]))}
    pairs_of_tokens: Any = [tuple(pair) for pair in merges[:room]]  # what the class takes, not what it declares
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=pairs_of_tokens, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer
