"""The prompts that an edit is judged on: target, anchor, surroundings, other words for the target, unrelated things."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from twig_assets.ablation.prompts.variants import misspelt, paraphrases
from twig_assets.english import with_article
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.evaluation import EvaluationSettings

Role = Literal[
    "target", "anchor", "surrounding", "misspelling 1", "misspelling 2", "paraphrase", "adversarial", "unrelated"
]
LEAKS: tuple[Role, ...] = ("misspelling 1", "misspelling 2", "paraphrase")


class Probe(NamedTuple):
    """A prompt to draw.

    Attributes:
        concept: Name of the concept it belongs to; empty for unrelated prompts.
        role: Why it is drawn.
        prompt: The prompt.
        shown: The text that its images are nearest to before the edit: the target's own prompt for all that ask for
            the target, and the prompt itself for all others.
        rivals: The texts that `shown` competes with. The target against its anchor, as in the paper; other ways to ask
            for it against everything else that is drawn, since a garbled prompt may draw what is neither.
        samples: Images.
    """

    concept: str
    role: Role
    prompt: str
    shown: str
    rivals: tuple[str, ...]
    samples: int


def probes(concepts: Sequence[ConceptTarget], settings: EvaluationSettings) -> list[Probe]:
    """Everything that is drawn for an edit of these concepts.

    An anchor or a surrounding concept that is itself removed as another concept is left out.
    """
    candidates = [probe for concept in concepts for probe in _of_concept(concept, settings)]
    removed = {word.lower() for concept in concepts for word in (concept.target, *concept.aliases)}
    kept = [p for p in candidates if p.role not in ("anchor", "surrounding") or not _asks_for(p.prompt, removed)]
    rival = next(probe.prompt for probe in candidates if probe.role == "target")
    return kept + [
        Probe("", "unrelated", prompt, prompt, (rival,), settings.unrelated_samples) for prompt in settings.unrelated
    ]


def probes_without_a_judge(concepts: Sequence[ConceptTarget], settings: EvaluationSettings) -> list[Probe]:
    """What is drawn where nobody judges: only what people look at, and what is counted without a judge."""
    return [probe for probe in probes(concepts, settings) if probe.role == "target"]


def images_to_draw(concept: ConceptTarget, settings: EvaluationSettings, judged: bool) -> int:
    """How many images are drawn to judge an edit of one concept, before it and after it."""
    drawn = (probes if judged else probes_without_a_judge)([concept], settings)
    searched = [
        min(settings.adversarial_samples, probe.samples) for probe in drawn if judged and probe.role == "target"
    ]
    return 2 * sum(probe.samples for probe in drawn) + sum(searched)


def _asks_for(prompt: str, words: set[str]) -> bool:
    return any(f" {word} " in f" {prompt.lower()} ".replace(",", " ") for word in words)


def _of_concept(concept: ConceptTarget, settings: EvaluationSettings) -> list[Probe]:
    if concept.kind != "style":
        named = with_article if concept.kind == "object" else str
        pairs = [(named(concept.target), named(concept.anchor), "")]
        around = {"": [with_article(word) for word in concept.preserve]}
    else:
        subjects = concept.subjects or settings.subjects
        pairs = [(_in_style(s, concept.target), _in_style(s, concept.anchor), s) for s in subjects]
        around = {s: [_in_style(s, style) for style in concept.preserve] for s in subjects}
    drawn = []
    for target, anchor, subject in pairs:
        drawn.append(Probe(concept.name, "target", target, target, (anchor,), -(-settings.samples // len(pairs))))
        count = -(-settings.variants // len(pairs))
        rivals = (anchor, *around[subject], *settings.unrelated)
        for role, prompt in _leaks(concept, subject, count, settings.first_seed):
            drawn.append(Probe(concept.name, role, prompt, target, rivals, settings.variant_samples))
        kept: list[tuple[Role, str]] = [("anchor", anchor), *(("surrounding", prompt) for prompt in around[subject])]
        drawn += [
            Probe(concept.name, role, prompt, prompt, (target,), settings.surrounding_samples) for role, prompt in kept
        ]
    return drawn


def _leaks(concept: ConceptTarget, subject: str, count: int, seed: int) -> list[tuple[Role, str]]:
    if count == 0:
        return []
    subjects = (subject,)
    texts: dict[Role, list[str]] = {
        "misspelling 1": [v.prompt for v in misspelt(concept, 1, count, seed, "evaluation", subjects)],
        "misspelling 2": [v.prompt for v in misspelt(concept, 2, count, seed, "evaluation", subjects)],
        "paraphrase": [v.prompt for v in paraphrases(concept, count, seed, "evaluation", subjects)],
    }
    return [(role, prompt) for role, prompts in texts.items() for prompt in prompts]


def _in_style(subject: str, style: str) -> str:
    return f"{with_article(subject)}, {style}".strip(" ,")
