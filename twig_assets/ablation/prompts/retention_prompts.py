"""Prompts whose conditioning a distilled text encoder must retain: surroundings, anchors, everyday things, other words.

Lists of words protect little beyond themselves. The tokenizer has thousands more, whatever the model was trained on; so
nearly half of the retention prompts are sentences around its words. Many of these are as long as what people write: the
further a prompt goes on, the more tokens there are that an edit can change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.ablation.prompts.token_pairs import COLOURS, preserved_prompts, surrounding_prompts
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.ablation.prompts.vocabulary import vocabulary
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, names

# How often a prompt comes from each source.
_SHARES = {"everyday": 0.25, "surroundings": 0.2, "anchors": 0.1, "vocabulary": 0.45}
_FRAMINGS = (
    "{}",
    "a {}",
    "a picture of a {}",
    "an icon of a {}",
    "{} on a {colour} background",
    "a {}, {} style, {colour} background",
    "a {} in the style of {} on a {colour} background",
    "{} in bright colours",
    "{}, a drawing",
    "the {} and another one",
    "{} {}",
    "a {} {}",
    "a {} and a {}",
    "{} {} {} {}",
    "a {} {}, {} style, {colour} background",
    "a {} of a {} {}, {colour} background",
    "a {} of a {} in the style of {} on a {colour} background",
    "a {} with a {} and {} {} in {} {}",
    "{} {} {} {} {} {} {} {}",
)


@dataclass(frozen=True)
class RetentionPrompt:
    """A prompt to retain.

    Attributes:
        prompt: The prompt.
        concept: Index of the concept that it surrounds; None if it surrounds none.
    """

    prompt: str
    concept: int | None = None


class RetentionPrompts:
    """Draws prompts to retain while concepts are removed.

    Args:
        pipeline: Whose tokenizer's words.
        concepts: What is removed; a prompt that names any of it is never drawn.
        settings: As for `training_pairs`.

    Attributes:
        listed: The prompts that are drawn repeatedly; all others are sentences around words of the tokenizer.
    """

    def __init__(self, pipeline: Pipeline, concepts: Sequence[ConceptTarget], settings: AblationSettings):
        removed = [word for concept in concepts for word in (concept.target, *concept.aliases)]
        everyday = dict.fromkeys(prompt for concept in concepts for prompt in preserved_prompts(concept))
        sources = {
            "everyday": [RetentionPrompt(prompt) for prompt in everyday],
            "surroundings": [
                RetentionPrompt(prompt, i)
                for i, concept in enumerate(concepts)
                for prompt in surrounding_prompts(concept)
            ],
            "anchors": [
                RetentionPrompt(pair.counterpart, i)
                for i, concept in enumerate(concepts)
                for pair in training_pairs(concept, settings)
            ],
        }
        kept = {
            name: list(dict.fromkeys(kept for kept in source if not any(names(kept.prompt, word) for word in removed)))
            for name, source in sources.items()
        }
        self.listed = frozenset(entry.prompt for source in kept.values() for entry in source) | {""}
        self.words = vocabulary(pipeline, concepts)
        self.sources = {name: source for name, source in kept.items() if source}
        shares = {name: _SHARES[name] for name in (*self.sources, *(["vocabulary"] if self.words else []))}
        self.names = list(shares)
        self.shares = np.array(list(shares.values())) / sum(shares.values())

    def draw(self, count: int, rng: np.random.Generator) -> list[RetentionPrompt]:
        """Draw `count` prompts, at least 1; the first is the empty one, which guidance needs."""
        drawn = [RetentionPrompt("")]
        for at in rng.choice(len(self.names), count - 1, p=self.shares):
            source = self.sources.get(self.names[at])
            drawn.append(source[rng.integers(len(source))] if source else RetentionPrompt(self._sentence(rng)))
        return drawn

    def _sentence(self, rng: np.random.Generator) -> str:
        framing = _FRAMINGS[rng.integers(len(_FRAMINGS))]
        words = [self.words[rng.integers(len(self.words))] for _ in range(framing.count("{}"))]
        return framing.format(*words, colour=COLOURS[rng.integers(len(COLOURS))])
