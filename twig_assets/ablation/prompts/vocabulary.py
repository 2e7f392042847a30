"""The words that a tokenizer knows, whatever the model was trained on."""

from collections.abc import Collection

from rapidfuzz.distance import OSA

from twig_assets.generation import Pipeline, family_of
from twig_assets.settings.ablation import ConceptTarget

_SHORTEST = 4
_NEAR = 2


def vocabulary(pipeline: Pipeline, concepts: Collection[ConceptTarget]) -> list[str]:
    """The tokenizer's whole words of four letters and more, without those of the targets and those spelt like them.

    A memorised caption is made of ordinary words, so these stay.
    """
    removed = {
        word
        for concept in concepts
        if concept.kind != "memorized"
        for text in (concept.target, *concept.aliases)
        for word in text.lower().split()
    }
    whole_words = family_of(pipeline).whole_words()
    words = sorted(word for word in whole_words if len(word) >= _SHORTEST and word.isalpha() and word not in removed)
    near = [word for word in removed if len(word) >= _SHORTEST]
    return [word for word in words if all(OSA.distance(word, other, score_cutoff=_NEAR) > _NEAR for other in near)]
