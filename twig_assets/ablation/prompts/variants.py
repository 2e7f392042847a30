"""Other ways to ask for a target: misspellings, framings and rewordings, seeded, in two pools that share nothing.

An edit is computed from the `training` pool and judged on the `evaluation` pool, so that passing means the edit reaches
prompts it never saw. Framings are two fixed lists. A misspelling or rewording belongs to one pool by the hash of its
letters alone: whatever the seed and the count, the pools are disjoint.
"""

import hashlib
import string
from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

import numpy as np
from rapidfuzz.distance import OSA

from twig_assets.english import article, with_article
from twig_assets.settings.ablation import ConceptTarget, Kind

Pool = Literal["training", "evaluation"]

# {a} becomes the article, {x} the target or anchor and, for styles, {s} a subject.
_FRAMINGS: dict[Kind, dict[Pool, tuple[str, ...]]] = {
    "object": {
        "training": (
            "{x}",
            "{a} {x}",
            "the {x}",
            "a picture of {a} {x}",
            "an image of {a} {x}",
            "a drawing of {a} {x}",
            "{x} sticker",
            "one {x}",
        ),
        "evaluation": (
            "an icon of {a} {x}",
            "a sticker of {a} {x}",
            "{x} emoji",
            "a photo of {a} {x}",
            "{a} small {x}",
            "{a} {x} on a white background",
            "an illustration showing {a} {x}",
            "my favourite {x}",
        ),
    },
    "style": {
        "training": (
            "{s}, {x}",
            "{s} in {x}",
            "{s} in the style of {x}",
            "a picture of {s}, {x}",
            "{x}",
            "a picture in {x}",
        ),
        "evaluation": (
            "an icon of {s} in {x}",
            "{x} of {s}",
            "a sticker of {s}, {x}",
            "{s} drawn in {x}",
            "an illustration of {s}, {x}",
        ),
    },
    "memorized": {
        "training": (
            "{x}",
            "a picture of {x}",
            "{x}, poster",
            "the painting {x}",
            "{x} illustration",
            "print of {x}",
        ),
        "evaluation": (
            "an image of {x}",
            "{x} artwork",
            "a drawing called {x}",
            "{x}, canvas print",
            "the work titled {x}",
        ),
    },
}
SUBJECTS = ("animal", "bicycle", "boat", "cat", "flower", "house", "key", "tree")
_FUNCTION_WORDS = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "at",
        "on",
        "over",
        "under",
        "that",
        "this",
        "with",
        "and",
        "for",
        "by",
        "from",
    )
)


class Variant(NamedTuple):
    """A prompt that asks for the target, and the same prompt for its anchor."""

    prompt: str
    counterpart: str


def framings(kind: Kind, pool: Pool = "training") -> tuple[str, ...]:
    """The sentences that a target is put into, in the form that `frame` fills."""
    return _FRAMINGS[kind][pool]


def frame(framing: str, word: str, subject: str = "") -> str:
    """Put a word, and for a style its subject, into a framing; an empty word leaves no dangling commas or `in`."""
    filled = framing.format(a=article(word), x=word, s=with_article(subject) if subject else "")
    if word:
        return filled
    before = framing[: framing.index("{s}") + 3] if "{s}" in framing else framing
    return before.replace("{x} of ", "").format(a="", x="", s=with_article(subject)).removesuffix("in ").strip(" ,")


def paraphrases(
    concept: ConceptTarget, count: int, seed: int = 0, pool: Pool = "training", subjects: Collection[str] = SUBJECTS
) -> list[Variant]:
    """Framings of the target and its aliases and, for a memorised caption, rewordings of it.

    A rewording keeps the caption's meaning as far as is possible without a language model: small words are dropped,
    two neighbouring words change places, or the caption turns round at a preposition.

    Args:
        concept: The concept that the prompts ask for.
        count: Number of prompts, at most; there are fewer if the concept has no aliases.
        seed: Chooses among the prompts; the same seed gives the same list.
        pool: `training`, or `evaluation` for prompts that no edit was computed from.
        subjects: What is drawn in a style.

    Returns:
        Distinct prompts, each with the anchor's prompt.
    """
    by_prompt: dict[str, Variant] = {}
    for word in (concept.target, *concept.aliases):
        for framing in framings(concept.kind, pool):
            for subject in subjects if "{s}" in framing else [""]:
                prompt = frame(framing, word, subject)
                if concept.kind == "memorized":
                    by_prompt[prompt] = Variant(prompt, concept.anchor)
                else:
                    by_prompt[prompt] = Variant(prompt, frame(framing, concept.anchor, subject))
        if concept.kind == "memorized":
            by_prompt |= {text: Variant(text, concept.anchor) for text in rewordings(word) if pool_of(text) == pool}
    variants = list(by_prompt.values())
    chosen = _rng(seed, concept.target, pool).permutation(len(variants))[:count]
    return [variants[i] for i in sorted(chosen)]


def misspelt(
    concept: ConceptTarget,
    distance: int,
    count: int,
    seed: int = 0,
    pool: Pool = "training",
    subjects: Collection[str] = SUBJECTS,
) -> list[Variant]:
    """Prompts with the target misspelt, each beside the anchor's prompt.

    Misspellings that are words of the anchor or of a preserved concept are left out: `car` is not taken for a typing
    error of `cat` where cars are preserved.

    Args:
        concept: The concept that the prompts ask for; its aliases are not misspelt.
        distance: 1 or 2, see `misspellings`.
        count: Number of prompts.
        seed: Chooses among the misspellings.
        pool: As for `paraphrases`.
        subjects: What is drawn in a style.

    Raises:
        ValueError: If the target is too short to have `count` misspellings.
    """
    avoid = {word for text in (concept.anchor, *concept.preserve) for word in text.lower().split()}
    spellings = misspellings(concept.target, distance, count, seed, pool, avoid)
    plain = {"object": "{a} {x}", "style": "{s}, {x}", "memorized": "{x}"}[concept.kind]
    chosen = list(subjects)
    variants = []
    for i, spelling in enumerate(spellings):
        subject = chosen[i % len(chosen)]
        anchor = concept.anchor if concept.kind == "memorized" else frame(plain, concept.anchor, subject)
        variants.append(Variant(frame(plain, spelling, subject), anchor))
    return variants


def misspellings(
    text: str, distance: int, count: int, seed: int = 0, pool: Pool = "training", avoid: Collection[str] = ()
) -> list[str]:
    """Distinct misspellings at exactly this edit distance.

    Args:
        text: The words to misspell; its letters are all lower-cased, since CLIP's tokenizer does the same.
        distance: Number of letters left out, put in, exchanged or swapped with the next (optimal string alignment,
            the restricted Damerau-Levenshtein distance): 1 or 2. Spaces are left alone.
        count: Number of misspellings.
        seed: Chooses among the misspellings.
        pool: Which half of all misspellings to draw from.
        avoid: Words that no misspelling may contain by accident.

    Raises:
        ValueError: If `distance` is neither 1 nor 2, or the text is too short to have `count` misspellings.
    """
    if distance not in (1, 2):
        raise ValueError(f"misspellings at distance {distance} are not made; ask for 1 or 2")
    text = text.lower()
    rng = _rng(seed, text, pool, distance)
    distinct: dict[str, None] = {}
    for _ in range(200 * count + 1000):
        if len(distinct) == count:
            return list(distinct)
        candidate = text
        for _ in range(distance):
            candidate = _typo(candidate, rng)
        allowed = not set(candidate.split()).intersection(avoid) - set(text.split())
        if allowed and pool_of(candidate) == pool and OSA.distance(text, candidate) == distance:
            distinct[candidate] = None
    raise ValueError(
        f"{text!r} has only {len(distinct)} of the {count} misspellings at distance {distance} asked for; ask for fewer"
    )


def rewordings(caption: str) -> list[str]:
    """The caption without its function words, with neighbouring words swapped, and turned round at a preposition."""
    words = caption.split()
    small = [i for i, word in enumerate(words) if word.lower() in _FUNCTION_WORDS]
    orders = [[w for i, w in enumerate(words) if i != left_out] for left_out in small]
    orders.append([w for i, w in enumerate(words) if i not in small])
    orders += [[*words[:i], words[i + 1], words[i], *words[i + 2 :]] for i in range(len(words) - 1)]
    orders += [[*words[i:], *words[:i]] for i in small if i > 0]
    joined = dict.fromkeys(" ".join(order) for order in orders if order)
    return [text for text in joined if text != caption]


def pool_of(text: str) -> Pool:
    """The pool that a misspelling or rewording belongs to, by its letters alone."""
    return "evaluation" if hashlib.sha256(text.lower().encode()).digest()[0] % 2 else "training"


def _typo(text: str, rng: np.random.Generator) -> str:
    letters = [i for i, letter in enumerate(text) if letter != " "]
    at = letters[rng.integers(len(letters))]
    letter = string.ascii_lowercase[rng.integers(26)]
    edits: tuple[Callable[[], str], ...] = (
        lambda: text[:at] + text[at + 1 :],
        lambda: text[:at] + letter + text[at:],
        lambda: text[:at] + letter + text[at + 1 :],
        lambda: text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
    )
    changed = edits[rng.integers(4)]()
    return text if len(changed.split()) != len(text.split()) or changed.count(" ") != text.count(" ") else changed


def _rng(seed: int, *parts: str | int) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
