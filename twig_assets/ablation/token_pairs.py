"""Text embeddings of target and anchor, token by token: what a closed-form edit is computed from."""

from dataclasses import dataclass

import torch

from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import ConceptTarget

_OBJECT_TEMPLATES = (
    "{}",
    "a {}",
    "the {}",
    "a picture of a {}",
    "an image of a {}",
    "a drawing of a {}",
    "{} sticker",
    "one {}",
)
_STYLE_TEMPLATES = (
    "a picture, {}", "a picture in {}", "{}", "an animal in the style of {}", "a bicycle in {}", "a boat, {}",
    "a cat, {}", "a flower in {}", "a house, {}", "a key in the style of {}", "a tree, {}",
)  # fmt: skip
# What every model should go on drawing: everyday things, preserved beside the concept's own surroundings.
_ORDINARY = (
    "apple", "banana", "bear", "bicycle", "bird", "boat", "book", "bread", "bus", "cake", "camera", "car", "cat",
    "chair", "child", "city", "clock", "cup", "dog", "elephant", "fire", "fish", "flower", "forest", "guitar", "hat",
    "horse", "house", "key", "lamp", "lion", "man", "moon", "mountain", "pizza", "plane", "rose", "sea", "shoe", "star",
    "table", "train", "tree", "umbrella", "woman",
)  # fmt: skip


@dataclass(frozen=True)
class TokenPairs:
    """Statistics of an edit.

    Attributes:
        target: float64 (n, d), embeddings to be changed.
        anchor: float64 (n, d), what each of them is to act like.
        preserve: float64 (m, d), embeddings that must act as before.
        preserved: The preserved prompts and how many rows of `preserve` each has, in order; empty where not known.
    """

    target: torch.Tensor
    anchor: torch.Tensor
    preserve: torch.Tensor
    preserved: tuple[tuple[str, int], ...] = ()


class IndistinctConceptError(ValueError):
    """Target and anchor are the same to the text encoder."""


@torch.no_grad()
def token_pairs(pipeline: Pipeline, concept: ConceptTarget) -> TokenPairs:
    """Embed target, aliases, anchor and preserved prompts.

    From the last word of the target on, every token of the target prompt (the end token and the padding with it) is
    paired with the token at the same distance from the last word of the anchor prompt, as in the original UCE code:
    a causal text encoder spreads the concept over all tokens that follow it.

    Raises:
        IndistinctConceptError: If the tokenizer cannot tell the target from the anchor.
    """
    targets, anchors = [], []
    for word in (concept.target, *concept.aliases):
        for prompt, counterpart, end, counterpart_end in _prompts(pipeline, concept, word):
            hidden, other = embed(pipeline, prompt), embed(pipeline, counterpart)
            length = min(len(hidden) - end, len(other) - counterpart_end)
            targets.append(hidden[end : end + length])
            anchors.append(other[counterpart_end : counterpart_end + length])
    target, anchor = torch.cat(targets), torch.cat(anchors)
    if torch.allclose(target, anchor):
        raise IndistinctConceptError(
            f"concept {concept.name!r}: the text encoder reads {concept.target!r} and {concept.anchor!r} alike; choose "
            f"an anchor in other words"
        )
    prompts = [template.format(word) for word in concept.preserve for template in ("{}", "a {}")]
    prompts += ["", concept.anchor, *_ordinary(concept)]
    kept = [embed(pipeline, prompt) for prompt in prompts]
    preserved = tuple((prompt, len(rows)) for prompt, rows in zip(prompts, kept, strict=True))
    return TokenPairs(target, anchor, torch.cat(kept), preserved)


def _ordinary(concept: ConceptTarget) -> list[str]:
    """Prompts of everyday things, without those the concept itself is made of."""
    removed = " ".join((concept.target, *concept.aliases)).lower().split()
    return [f"a {word}" for word in _ORDINARY if word not in removed]


def embed(pipeline: Pipeline, prompt: str) -> torch.Tensor:
    """What cross-attention sees of a prompt: float64 (tokens, d); both text encoders side by side for XL."""
    embeddings = pipeline.encode_prompt(
        prompt=prompt, device=pipeline.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )[0]
    return embeddings[0].double().cpu()


def _prompts(pipeline: Pipeline, concept: ConceptTarget, target: str) -> list[tuple[str, str, int, int]]:
    if concept.kind == "memorized":
        return [
            (
                target,
                concept.anchor,
                _last_token(pipeline, target, target),
                _last_token(pipeline, concept.anchor, concept.anchor),
            )
        ]
    templates = _STYLE_TEMPLATES if concept.kind == "style" else _OBJECT_TEMPLATES
    found = []
    for template in templates:
        prompt, counterpart = template.format(target), template.format(concept.anchor).strip(" ,")
        found.append(
            (
                prompt,
                counterpart,
                _last_token(pipeline, prompt, target),
                _last_token(pipeline, counterpart, concept.anchor),
            )
        )
    return found


def _last_token(pipeline: Pipeline, prompt: str, part: str) -> int:
    """Index in the prompt of the last token of `part`; of the end token when `part` is empty."""
    before = prompt[: prompt.rindex(part) + len(part)] if part else prompt
    return len(pipeline.tokenizer(before, truncation=True).input_ids) - (2 if part else 1)
