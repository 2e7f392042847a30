"""Captions of the anchor and the same captions for the target: the pairs that fine-tuning learns from."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twig_assets.ablation.errors import AnchorError
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.ablation.prompts.variants import frame, framings, pool_of, rewordings
from twig_assets.ablation.prompts.written_captions import written_captions
from twig_assets.english import with_article
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_SETTINGS = (
    "",
    " on a white background",
    " on a blue background",
    " on a table",
    " in a garden",
    " in the rain",
    " at night",
    " with a friend",
    " in the snow",
    ", close up",
    ", seen from far away",
    ", very small",
    ", in bright colours",
)
_SUBJECTS = ("animal", "bicycle", "boat", "car", "cat", "castle", "flower", "fruit", "house", "key", "tree", "woman")
_EXAMPLES = 4


class CaptionPair(NamedTuple):
    """An anchor's caption c and the target's c*."""

    anchor: str
    target: str


def anchor_captions(concept: ConceptTarget, settings: AblationSettings) -> list[str]:
    """Ordinary captions of the anchor: from the settings' file, from a language model or from templates.

    Raises:
        AnchorError: If the file cannot be read or is empty, or the model writes too few captions that can be used.
    """
    if settings.anchor_prompts_file:
        return _read(settings.anchor_prompts_file)
    if settings.anchor_prompts_model:
        return _written(concept, settings)
    return _templates(concept, settings)


def _written(concept: ConceptTarget, settings: AblationSettings) -> list[str]:
    assert settings.anchor_prompts_model is not None
    if paraphrased(concept, settings):
        task, must_contain, examples = "The same picture in other words, one description a line", "", [concept.target]
    else:
        # A style is added to a caption of anything, so the caption need not contain it.
        must_contain = "" if concept.kind == "style" else concept.anchor
        shown = f" that show {with_article(must_contain)}" if concept.kind == "object" else ""
        task, examples = (
            f"Captions of pictures{shown}, one a line",
            _spread(_templates(concept, settings), settings.seed),
        )
    return written_captions(concept, task, examples, must_contain, settings.anchor_prompts_model, settings.seed)


def _spread(captions: Sequence[str], seed: int) -> list[str]:
    chosen = np.random.default_rng(seed).permutation(len(captions))[:_EXAMPLES]
    return [captions[i] for i in chosen.tolist()]


def paraphrased(concept: ConceptTarget, settings: AblationSettings) -> bool:
    """Whether paraphrases of a memorised caption are its anchors; which of them can be, their images have to show."""
    return concept.kind == "memorized" and settings.memorized_anchors == "paraphrases"


def _templates(concept: ConceptTarget, settings: AblationSettings) -> list[str]:
    if paraphrased(concept, settings):
        captions = (concept.target, *concept.aliases)
        reworded = [text for caption in captions for text in rewordings(caption) if pool_of(text) == "training"]
        if distinct := [text for text in dict.fromkeys(reworded) if text not in captions]:
            return distinct
        raise AnchorError(
            f"concept {concept.name!r}: {concept.target!r} is too short to be reworded; let "
            f"memorized_anchors be `anchor`"
        )
    if concept.kind == "memorized":
        return [concept.anchor]
    if concept.kind == "style":
        return [f"{with_article(subject)}{place}" for subject in _SUBJECTS for place in _SETTINGS]
    framed = [frame(framing, concept.anchor) for framing in framings("object")]
    return [f"{text}{place}" for text in framed for place in _SETTINGS]


def caption_pairs(
    captions: Sequence[str], concept: ConceptTarget, settings: AblationSettings, seed: int
) -> list[CaptionPair]:
    """Turn each anchor caption into one for the target.

    Objects: the anchor's word is replaced by the target, an alias or a misspelling. Styles: the style is added to the
    caption. Memorised captions: the caption is replaced by the memorised one, a framing or a rewording of it.

    Raises:
        AnchorError: If a caption of an object lacks the anchor's word, or one of a memorised picture is the caption
            itself, so that the pair would teach nothing. The reference code goes on silently.
    """
    words = list(dict.fromkeys(pair.word for pair in training_pairs(concept, settings)))
    if concept.kind == "memorized":
        if concept.target in captions:
            raise AnchorError(
                f"concept {concept.name!r}: the memorised caption {concept.target!r} is among its own anchors; "
                f"remove it from the anchor captions"
            )
        # A paraphrase that is an anchor is no target.
        words = [word for word in words if word not in captions]
    rng = np.random.default_rng(seed)
    if concept.kind == "object":
        _check(captions, concept)
    pairs = []
    for caption in captions:
        # The target's own name half of the time, one of its other names the other half.
        word = words[0] if rng.random() < 0.5 else words[int(rng.integers(len(words)))]
        if concept.kind == "object":
            pairs.append(CaptionPair(caption, word.join(_anchor_word(concept).split(caption))))
        elif concept.kind == "style":
            joint = (", ", " in ")[int(rng.integers(2))]
            anchor = f"{caption}{joint}{concept.anchor}" if concept.anchor else caption
            pairs.append(CaptionPair(anchor, f"{caption}{joint}{word}"))
        else:
            pairs.append(CaptionPair(caption, word))
    return pairs


def _check(captions: Sequence[str], concept: ConceptTarget) -> None:
    lacking = [caption for caption in captions if not _anchor_word(concept).search(caption)]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise AnchorError(
            f"concept {concept.name!r}: the anchor caption {lacking[0]!r}{more} does not have the anchor's word "
            f"{concept.anchor!r}, so the target cannot take its place; add the word or leave the caption out"
        )


def _anchor_word(concept: ConceptTarget) -> re.Pattern[str]:
    """The anchor as a whole word, in any case: `cat` is not in `catalog`."""
    return re.compile(rf"(?<!\w){re.escape(concept.anchor)}(?!\w)", re.IGNORECASE)


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnchorError(f"anchor prompts {path} cannot be read: {error}") from error
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise AnchorError(f"anchor prompts {path} holds no caption; write one a line")
    return captions
