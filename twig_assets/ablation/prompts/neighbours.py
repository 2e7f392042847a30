"""Looking up the surrounding concepts of a target: the words whose text embeddings are nearest to its own."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch

from twig_assets.ablation.prompts.token_pairs import ORDINARY
from twig_assets.generation import Pipeline, family_of
from twig_assets.settings.ablation import ConceptTarget, names

# n texts -> float (n, d), whose cosines say how alike they are.
TextVectors: TypeAlias = Callable[[Sequence[str]], np.ndarray]


@torch.no_grad()
def neighbours(
    pipeline: Pipeline,
    concept: ConceptTarget,
    count: int,
    vocabulary: Sequence[str] | None = None,
    text_vectors: TextVectors | None = None,
) -> tuple[str, ...]:
    """The words of a vocabulary nearest to the target, without the anchor and without what names the target.

    Args:
        pipeline: The model whose text encoder compares the words.
        concept: The concept whose surroundings are looked up.
        count: Number of words, at most; 0 or more.
        vocabulary: The words to choose from; everyday things when None.
        text_vectors: Compares the words in place of the model's text encoder: a judge's, say.

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
    texts = [concept.target, *words]
    vectors = torch.as_tensor(text_vectors(texts)) if text_vectors else family_of(pipeline).text_vectors(texts)
    similarity = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    return tuple(words[i] for i in similarity.argsort(descending=True, stable=True)[:count].tolist())
