"""The prompts that an edit is computed from: everything that asks for the target, each beside its anchor's prompt."""

from typing import NamedTuple

from twig_assets.ablation.prompts.variants import SUBJECTS, frame, framings, misspellings, pool_of, rewordings
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


class TrainingPair(NamedTuple):
    """A prompt of the target and its counterpart for the anchor, with the words that differ between them."""

    prompt: str
    counterpart: str
    word: str
    anchor: str


def training_pairs(concept: ConceptTarget, settings: AblationSettings) -> list[TrainingPair]:
    """Framings of the target and its aliases, misspellings and, for a memorised caption, rewordings.

    Everything comes from the training pool of `variants`, so that an evaluation on the other pool is on unseen prompts.
    """
    pairs = [pair for word in (concept.target, *concept.aliases) for pair in _framed(concept, word)]
    if concept.kind == "memorized":
        pairs += [
            TrainingPair(text, concept.anchor, text, concept.anchor)
            for caption in (concept.target, *concept.aliases)
            for text in rewordings(caption)
            if pool_of(text) == "training"
        ]
    avoid = {word for text in (concept.anchor, *concept.preserve) for word in text.lower().split()}
    for distance in (1, 2):
        misspelt = misspellings(concept.target, distance, settings.misspellings, settings.seed, "training", avoid)
        pairs += [_plain(concept, word, SUBJECTS[i % len(SUBJECTS)]) for i, word in enumerate(misspelt)]
    return list(dict.fromkeys(pairs))


def _framed(concept: ConceptTarget, word: str) -> list[TrainingPair]:
    pairs = []
    for framing in framings(concept.kind, "training"):
        for subject in SUBJECTS if "{s}" in framing else [""]:
            prompt = frame(framing, word, subject)
            if concept.kind == "memorized":
                pairs.append(TrainingPair(prompt, concept.anchor, word, concept.anchor))
            else:
                pairs.append(TrainingPair(prompt, frame(framing, concept.anchor, subject), word, concept.anchor))
    return pairs


def _plain(concept: ConceptTarget, word: str, subject: str) -> TrainingPair:
    if concept.kind == "memorized":
        return TrainingPair(word, concept.anchor, word, concept.anchor)
    framing = "{s}, {x}" if concept.kind == "style" else "{a} {x}"
    return TrainingPair(frame(framing, word, subject), frame(framing, concept.anchor, subject), word, concept.anchor)
