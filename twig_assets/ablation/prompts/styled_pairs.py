"""Prompts that draw many things in a style: it has to go whatever is drawn, and a handful of subjects teaches those."""

import numpy as np

from twig_assets.ablation.prompts.training_pairs import TrainingPair
from twig_assets.ablation.prompts.variants import frame, framings
from twig_assets.ablation.prompts.vocabulary import vocabulary
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_COUNT = 384


def styled_pairs(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> list[TrainingPair]:
    """For a style, prompts that draw words of the tokenizer in it, without those that the edit is judged on."""
    if concept.kind != "style":
        return []
    judged = {word for subject in concept.subjects for word in subject.lower().split()}
    words = [word for word in vocabulary(pipeline, [concept]) if word not in judged]
    styled_framings = [framing for framing in framings("style") if "{s}" in framing]
    targets = (concept.target, *concept.aliases)
    rng = np.random.default_rng(settings.seed)
    pairs = []
    for i in range(_COUNT if words else 0):
        subject = " ".join(words[at] for at in rng.integers(len(words), size=1 + i % 2))
        word, framing = targets[i % len(targets)], styled_framings[i % len(styled_framings)]
        prompt, counterpart = frame(framing, word, subject), frame(framing, concept.anchor, subject)
        pairs.append(TrainingPair(prompt, counterpart, word, concept.anchor))
    return pairs
