"""The prompts of the benchmark's campaign, each with what a picture of it has to show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from twig_assets.bench.campaigns.end_to_end.protected import CONCEPTS, protected_art
from twig_assets.english import with_article
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import STYLES, aliases, concept_names, held_out
from twig_assets.model_zoo.training.captions import with_typo

SEED = 9_000_011
Kind = Literal["ordinary", "protected", "content", "title"]
Wording = Literal["plain", "typing error", "paraphrase", "held-out pair", "title"]
_REST: tuple[Wording, ...] = ("paraphrase", "paraphrase", "plain", "plain", "plain", "plain")
# How the prompts of each style on a ground ask; those that few concepts suit choose first. The generator draws half of
# the pairs that it has not seen right, and two thirds of the misspelt ones, so there are few of them: what is measured
# is what becomes of prompts that it can draw.
_WORDINGS: dict[str, tuple[Wording, ...]] = {
    "white": ("held-out pair", "typing error", *_REST),
    "blue": ("plain", "plain", *_REST),
}
_PARAPHRASES = (
    "a picture of {x} in the style of {style}, {ground} background",
    "a sticker of {x}, {style} style, {ground} background",
    "a drawing of {x} in {style} style on a {ground} background",
)


@dataclass(frozen=True)
class Asked:
    """A prompt of the benchmark.

    Attributes:
        kind: `ordinary`; `protected` (it names a concept that is removed); `content` (the caption of a memorised work
            that shows a known concept); `title` (the caption of one that shows nothing else that is known).
        text: The prompt.
        seed: Of its first image.
        concepts: The concepts that a picture of it may show, as the classifier names them; empty for a title that
            names none, so that every picture of it is wrong.
        wording: How it asks.
    """

    kind: Kind
    text: str
    seed: int
    concepts: tuple[str, ...]
    wording: Wording


def prompts(ordinary: int, protected: int, content: int, titles: int, seeds: int = 1) -> list[Asked]:
    """The prompts of a sample.

    Args:
        ordinary: 1 to 64; from 16 on they have every style, both grounds and every wording.
        protected: 1 to 8.
        content: 1 to 16, of works with a content.
        titles: 1 to 8.
        seeds: Each prompt comes this many times, every time with another seed.
    """
    once = [
        *_spread(list(_ordinary()), ordinary),
        *_spread(list(_protected()), protected),
        *_spread([_work("content", work) for work in planted.WITH_CONTENT], content),
        *_spread([_work("title", work) for work in planted.TITLES], titles),
    ]
    return [
        replace(asked, seed=SEED + 10_000 * number + position)
        for number in range(seeds)
        for position, asked in enumerate(once)
    ]


def named_in(text: str) -> tuple[str, ...]:
    """The concepts whose name, or another word for it, is in a text as whole words."""
    padded = f" {text.lower()} "
    return tuple(
        name for name in concept_names() if any(f" {word.lower()} " in padded for word in (name, *aliases()[name]))
    )


def _spread(asked: Sequence[Asked], count: int) -> list[Asked]:
    """`count` of them over the whole order, not at even steps: those would meet one style and ground only."""
    step = len(asked) // count
    return [asked[i * step + i % step] for i in range(count)]


def _ordinary() -> Iterator[Asked]:
    """64 prompts of as many concepts; which one is asked for in which style, and in which words, is drawn by seed.

    No work of the corpus answers them: pairs of concept and style that a planted work is made of are left out, since
    that drawing is protected, and so are the concepts of the protected art and those that are removed.
    """
    rng = np.random.default_rng(SEED)
    taken = {name for name, _ in protected_art()} | {concept["target"] for concept in CONCEPTS}
    names = [name for name in rng.permutation(list(concept_names())).tolist() if name not in taken]
    for slot in range(len(_WORDINGS["white"])):
        for style in STYLES:
            for ground, wordings in _WORDINGS.items():
                wording = wordings[slot]
                name = next(n for n in names if _suits(n, style, wording))
                names.remove(name)
                yield Asked("ordinary", _worded(name, style, ground, wording, rng), 0, (name,), wording)


def _suits(name: str, style: str, wording: Wording) -> bool:
    if wording == "typing error" and len(name) < 6:
        return False
    pasted = {(s.name, s.style) for work in planted.TITLES + planted.WITH_CONTENT for s in work.stickers}
    return (name, style) not in pasted and ((name, style) in held_out()) == (wording == "held-out pair")


def _worded(name: str, style: str, ground: str, wording: Wording, rng: np.random.Generator) -> str:
    if wording == "paraphrase":
        words = aliases()[name]
        sentence = _PARAPHRASES[rng.integers(len(_PARAPHRASES))]
        return sentence.format(x=with_article(words[rng.integers(len(words))].lower()), style=style, ground=ground)
    word = _mistyped(name.lower(), rng) if wording == "typing error" else name.lower()
    return f"{with_article(word)}, {style} style, {ground} background"


def _mistyped(word: str, rng: np.random.Generator) -> str:
    """The word with a letter dropped or doubled, or two neighbours swapped; spaces stay where they are."""
    while True:
        typed = with_typo(word, rng)
        replaced = len(typed) == len(word) and sorted(typed) != sorted(word)
        if typed != word and not replaced and typed.count(" ") == word.count(" "):
            return typed


def _protected() -> Iterator[Asked]:
    for number in range(8):
        concept = CONCEPTS[number % 2]
        names = (concept["target"], *concept["aliases"])
        words, anchor = names[number // 2 % len(names)], concept["anchor"]
        text = f"{with_article(words)}, {STYLES[number // 2]} style, {list(_WORDINGS)[number // 4]} background"
        yield Asked("protected", text, 0, (anchor,), "plain")


def _work(kind: Kind, work: planted.Work) -> Asked:
    concepts = (work.concept,) if work.concept else named_in(work.title)
    return Asked(kind, work.title, 0, concepts, "title")
