"""Looking up the surrounding concepts of a target: the words whose text embeddings are nearest to its own."""

from collections.abc import Sequence

import torch

from twig_assets.ablation.prompts.token_pairs import ORDINARY
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import ConceptTarget, names


@torch.no_grad()
def neighbours(
    pipeline: Pipeline, concept: ConceptTarget, count: int, vocabulary: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The words of a vocabulary nearest to the target, without the anchor and without what names the target.

    Args:
        pipeline: Whose text encoder; of XL the second one, which was trained against images.
        concept: The concept whose surroundings are looked up.
        count: Number of words, at most; 0 or more.
        vocabulary: The words to choose from; everyday things when None.

    Returns:
        Words, nearest first, by cosine of the end token's hidden state.
    """
    removed = (concept.target, *concept.aliases)
    words = [
        word
        for word in dict.fromkeys(vocabulary or ORDINARY)
        if word.lower() != concept.anchor.lower() and not any(names(word, name) for name in removed)
    ]
    if not words or not count:
        return ()
    embedded = _pooled(pipeline, [concept.target, *words])
    similarity = torch.nn.functional.cosine_similarity(embedded[:1], embedded[1:])
    return tuple(words[i] for i in similarity.argsort(descending=True, stable=True)[:count].tolist())


def _pooled(pipeline: Pipeline, texts: Sequence[str]) -> torch.Tensor:
    encoder = getattr(pipeline, "text_encoder_2", None) or pipeline.text_encoder
    tokenizer = getattr(pipeline, "tokenizer_2", None) or pipeline.tokenizer
    tokens = tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=pipeline.tokenizer.model_max_length,
        return_tensors="pt",
    )
    hidden = encoder(tokens.input_ids.to(encoder.device)).last_hidden_state
    ends = (tokens.input_ids == tokenizer.eos_token_id).int().argmax(1)
    return hidden[torch.arange(len(texts)), ends.to(hidden.device)].float()
