"""Looking up the surrounding concepts of a target: the words whose text embeddings are nearest to its own."""

from collections.abc import Sequence

import torch

from twig_assets.ablation.prompts.token_pairs import ORDINARY
from twig_assets.generation import Pipeline, family_of
from twig_assets.settings.ablation import ConceptTarget, names


@torch.no_grad()
def neighbours(
    pipeline: Pipeline, concept: ConceptTarget, count: int, vocabulary: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The words of a vocabulary nearest to the target, without the anchor and without what names the target.

    Args:
        pipeline: The model whose text encoder compares the words.
        concept: The concept whose surroundings are looked up.
        count: Number of words, at most; 0 or more.
        vocabulary: The words to choose from; everyday things when None.

    Returns:
        Words, nearest first.
    """
    removed = (concept.target, *concept.aliases)
    words = [
        word
        for word in dict.fromkeys(vocabulary or ORDINARY)
        if word.lower() != concept.anchor.lower() and not any(names(word, name) for name in removed)
    ]
    if not words or not count:
        return ()
    vectors = family_of(pipeline).text_vectors([concept.target, *words])
    similarity = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    return tuple(words[i] for i in similarity.argsort(descending=True, stable=True)[:count].tolist())
