"""Text embeddings of target and anchor, token by token: what a closed-form edit is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from twig_assets.ablation.prompts.pooled_overshoot import pooled_overshoot
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.generation import ModelFamily, Pipeline, family_of
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

# Everyday things, which every model should still draw: preserved beside the concept's own surroundings.
ORDINARY = (
    "apple",
    "banana",
    "bear",
    "bicycle",
    "bird",
    "boat",
    "book",
    "bread",
    "bus",
    "cake",
    "camera",
    "car",
    "cat",
    "chair",
    "child",
    "city",
    "clock",
    "cup",
    "dog",
    "elephant",
    "fire",
    "fish",
    "flower",
    "forest",
    "guitar",
    "hat",
    "horse",
    "house",
    "key",
    "lamp",
    "lion",
    "man",
    "moon",
    "mountain",
    "pizza",
    "plane",
    "rose",
    "sea",
    "shoe",
    "star",
    "table",
    "train",
    "tree",
    "umbrella",
    "woman",
)

# Grounds that prompts name. An edit that saw one of them only may take the others from the model.
COLOURS = ("white", "black", "grey", "red", "pink", "orange", "yellow", "green", "blue", "purple", "brown")

# As many rows as CLIP has for a prompt. Encoders that read longer ones fill them up to 512 with padding, whose
# embeddings are nearly all alike: of FLUX.2 klein they would be gigabytes for every concept.
_ROWS = 77

_SURROUNDING_FRAMINGS = ("{}", "a {}", "a picture of a {}", "an icon of a {}")
_SURROUNDING_STYLES = ("{}", "a house, {}", "a picture in {}", "an animal in the style of {}")
_FRAMINGS = (
    "{} on a {colour} background",
    "a {}, {colour} background",
    "a picture of a {}",
    "{} in bright colours",
    "{}, a drawing",
    "an icon of a {}",
    "the {} and another one",
)


@dataclass(frozen=True)
class TokenPairs:
    """Statistics of an edit.

    Attributes:
        target: float64 (n, d), embeddings to be changed.
        anchor: float64 (n, d), what each of them is to act like.
        preserve: float64 (m, d), embeddings that must act as before.
        preserved: The preserved prompts and how many rows of `preserve` each has, in order; empty where not known.
        pooled: The same for the pooled embeddings of whole prompts; None where the model reads none.
    """

    target: torch.Tensor
    anchor: torch.Tensor
    preserve: torch.Tensor
    preserved: tuple[tuple[str, int], ...] = ()
    pooled: "TokenPairs | None" = None


class IndistinctConceptError(ValueError):
    """Target and anchor are the same to the text encoder."""


@torch.no_grad()
def token_pairs(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> TokenPairs:
    """Embed every prompt that asks for the target, its anchor's counterpart, and the preserved prompts.

    From the last word of the target on, every token of the target prompt (the end token and the padding with it) is
    paired with the token at the same distance from the last word of the anchor prompt, as in the original UCE code:
    a causal text encoder spreads the concept over all tokens that follow it. Of long padding the first tokens stand for
    all. Where the denoiser reads a pooled embedding besides, the target prompt's is paired with the anchor prompt's, no
    further beyond it than the denoiser follows.

    Raises:
        IndistinctConceptError: If the tokenizer gives target and anchor the same tokens.
    """
    check_distinct(pipeline, concept)
    family = family_of(pipeline)
    targets, anchors, wholes = [], [], []
    for pair in training_pairs(concept, settings):
        (hidden, pooled), (other, other_pooled) = _embedded(family, pair.prompt), _embedded(family, pair.counterpart)
        spans = family.token_spans(pair.prompt, pair.word), family.token_spans(pair.counterpart, pair.anchor)
        for own, counterpart in zip(*spans, strict=True):
            length = min(own.stop - own.last, counterpart.stop - counterpart.last, _ROWS)
            targets.append(hidden[own.last : own.last + length])
            anchors.append(other[counterpart.last : counterpart.last + length])
        wholes.append((pooled, other_pooled))
    prompts = preserved_prompts(concept)
    kept, kept_pooled = zip(*(_preserved(family, prompt) for prompt in prompts), strict=True)
    pairs = _beyond(targets, anchors, kept, prompts, settings.overshoot)
    if not family.pooled_entries():
        return pairs
    whole_targets, whole_anchors = zip(*wholes, strict=True)
    overshoot = pooled_overshoot(pipeline, concept, settings)
    return replace(pairs, pooled=_beyond(whole_targets, whole_anchors, kept_pooled, prompts, overshoot))


def _beyond(
    targets: Sequence[torch.Tensor],
    anchors: Sequence[torch.Tensor],
    kept: Sequence[torch.Tensor],
    prompts: Sequence[str],
    overshoot: float,
) -> TokenPairs:
    """The statistics of these rows, each (k, d), the anchor as far beyond itself as this says."""
    target, anchor = torch.cat(list(targets)), torch.cat(list(anchors))
    preserved = tuple((prompt, len(rows)) for prompt, rows in zip(prompts, kept, strict=True))
    return TokenPairs(target, anchor + overshoot * (anchor - target), torch.cat(list(kept)), preserved)


def check_distinct(pipeline: Pipeline, concept: ConceptTarget) -> None:
    """Refuse a concept whose target has the same tokens as its anchor or as a preserved concept.

    Raises:
        IndistinctConceptError: Saying which two texts have the same tokens.
    """
    family = family_of(pipeline)
    target = family.token_ids(concept.target)
    for other in (concept.anchor, *concept.preserve):
        if family.token_ids(other) == target:
            raise IndistinctConceptError(
                f"concept {concept.name!r}: the text encoder reads {concept.target!r} and {other!r} alike; put one of "
                f"them in other words"
            )


def preserved_prompts(concept: ConceptTarget) -> list[str]:
    """The prompts that must be drawn as before: surrounding concepts, the anchor, everyday things, the empty prompt.

    Everyday things come in sentences of many kinds: those that only ever follow an article protect nothing else.
    """
    things = _ordinary(concept)
    varied = [
        _FRAMINGS[i % len(_FRAMINGS)].format(word, colour=COLOURS[i % len(COLOURS)]) for i, word in enumerate(things)
    ]
    return [*surrounding_prompts(concept), "", concept.anchor, *(f"a {word}" for word in things), *varied]


def surrounding_prompts(concept: ConceptTarget) -> list[str]:
    """The concept's surrounding concepts in a few framings."""
    framings = _SURROUNDING_STYLES if concept.kind == "style" else _SURROUNDING_FRAMINGS
    return [framing.format(word) for word in concept.preserve for framing in framings]


def _ordinary(concept: ConceptTarget) -> list[str]:
    """Everyday things, without those the concept itself is made of."""
    removed = " ".join((concept.target, *concept.aliases)).lower().split()
    return [word for word in ORDINARY if word not in removed]


def embed(pipeline: Pipeline, prompt: str) -> torch.Tensor:
    """The token embeddings of a prompt that the denoiser reads, as they enter it: float64 (tokens, d), on the CPU."""
    return _embedded(family_of(pipeline), prompt)[0]


def _preserved(family: ModelFamily, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The same as `_embedded`, with as much of each encoder's padding as fills up to the rows of a CLIP."""
    rows, pooled = _embedded(family, prompt)
    limit, begin, kept = max(_ROWS, len(family.token_ids(prompt))), 0, []
    for span in family.token_spans(prompt, ""):
        kept.append(rows[begin : min(span.stop, begin + limit)])
        begin = span.stop
    return torch.cat(kept), pooled


def _embedded(family: ModelFamily, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Both, float64 (tokens, d) and (1, e) on the CPU; e is 0 where the model reads no pooled embedding."""
    conditioning = family.encode([prompt])
    rows = family.entry_inputs(conditioning)[0]
    read = rows if conditioning.mask is None else rows[conditioning.mask[0]]
    pooled = rows.new_zeros(1, 0) if conditioning.pooled is None else conditioning.pooled
    return read.double().cpu(), pooled.double().cpu()
