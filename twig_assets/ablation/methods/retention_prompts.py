"""What a distilled text encoder must go on reading as before: surroundings, anchors, everyday things, any other word.

Two lists of words protect little beyond themselves. The tokenizer has thousands more, and knows nothing of which model
they are for; so nearly half of what is retained are sentences around its words.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA

from twig_assets.ablation.prompts.token_pairs import preserved_prompts, surrounding_prompts
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, names

# How often a prompt comes from each source.
_SHARES = {"everyday": 0.25, "surroundings": 0.2, "anchors": 0.1, "vocabulary": 0.45}
_FRAMINGS = (
    "{}",
    "a {}",
    "a picture of a {}",
    "an icon of a {}",
    "{} on a blue background",
    "{} in bright colours",
    "{}, a drawing",
    "the {} and another one",
    "{} {}",
    "a {} {}",
    "a {} and a {}",
)
_SHORTEST = 4
_NEAR = 2


@dataclass(frozen=True)
class Retained:
    """A prompt to retain, and which of the concepts it surrounds, by its place among them; None where it is none."""

    prompt: str
    concept: int | None = None


class Retention:
    """Draws prompts to retain while concepts are removed.

    Args:
        pipeline: Whose tokenizer's words.
        concepts: What is removed; a prompt that names any of it is never drawn.
        settings: As for `training_pairs`.

    Attributes:
        listed: The prompts that are drawn again and again; all others are sentences around words of the tokenizer.
    """

    def __init__(self, pipeline: Pipeline, concepts: Sequence[ConceptTarget], settings: AblationSettings):
        removed = [word for concept in concepts for word in (concept.target, *concept.aliases)]
        everyday = dict.fromkeys(prompt for concept in concepts for prompt in preserved_prompts(concept))
        sources = {
            "everyday": [Retained(prompt) for prompt in everyday],
            "surroundings": [
                Retained(prompt, i) for i, concept in enumerate(concepts) for prompt in surrounding_prompts(concept)
            ],
            "anchors": [
                Retained(pair.counterpart, i)
                for i, concept in enumerate(concepts)
                for pair in training_pairs(concept, settings)
            ],
        }
        kept = {
            name: list(dict.fromkeys(one for one in source if not any(names(one.prompt, word) for word in removed)))
            for name, source in sources.items()
        }
        self.listed = frozenset(one.prompt for source in kept.values() for one in source) | {""}
        self.words = vocabulary(pipeline, concepts)
        self.sources = {name: source for name, source in kept.items() if source}
        shares = {name: _SHARES[name] for name in (*self.sources, *(["vocabulary"] if self.words else []))}
        self.names = list(shares)
        self.shares = np.array(list(shares.values())) / sum(shares.values())

    def draw(self, count: int, rng: np.random.Generator) -> list[Retained]:
        """So many prompts, the empty one, which guidance needs, always among them."""
        drawn = [Retained("")]
        for at in rng.choice(len(self.names), count - 1, p=self.shares):
            source = self.sources.get(self.names[at])
            drawn.append(source[rng.integers(len(source))] if source else Retained(self._sentence(rng)))
        return drawn

    def _sentence(self, rng: np.random.Generator) -> str:
        framing = _FRAMINGS[rng.integers(len(_FRAMINGS))]
        return framing.format(*(self.words[rng.integers(len(self.words))] for _ in range(framing.count("{}"))))


def vocabulary(pipeline: Pipeline, concepts: Collection[ConceptTarget]) -> list[str]:
    """The tokenizer's whole words of four letters and more, without words of the targets and what looks like them.

    A memorised caption is made of ordinary words, so these stay.
    """
    removed = {
        word
        for concept in concepts
        if concept.kind != "memorized"
        for text in (concept.target, *concept.aliases)
        for word in text.lower().split()
    }
    whole = {token.removesuffix("</w>") for token in pipeline.tokenizer.get_vocab() if token.endswith("</w>")}
    words = sorted(word for word in whole if len(word) >= _SHORTEST and word.isalpha() and word not in removed)
    near = [word for word in removed if len(word) >= _SHORTEST]
    return [word for word in words if all(OSA.distance(word, other, score_cutoff=_NEAR) > _NEAR for other in near)]
