"""Evaluating an edit: whether the target still appears, in whatever words, and its surroundings are as before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

from twig_assets.ablation.edits.applying import apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.evaluation.adversarial import draw_encoded, searched_embedding
from twig_assets.ablation.evaluation.copies import CopyTest, copies_of, memorised_picture
from twig_assets.ablation.evaluation.figures import Evaluation, PromptFigures, refusals
from twig_assets.ablation.evaluation.grounds import blank_images, judge_is_a_stranger, target_was_not_there
from twig_assets.ablation.evaluation.prompts import LEAKS, Probe, Role, probes, probes_without_a_judge
from twig_assets.ablation.evaluation.statistics import Estimate, mean_estimate, paired_kid, relative_drop_estimate
from twig_assets.generation import GenerationSettings, Pipeline, family_of, generate
from twig_assets.judge.clip import Clip, image_features, text_features
from twig_assets.judge.unjudged import Unjudged
from twig_assets.model_zoo import load_clip
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.evaluation import EvaluationSettings, Gate

Unedited: TypeAlias = dict[tuple[str, int], np.ndarray]
OnDrawn: TypeAlias = Callable[[str, int, int], None]
"""Takes what is being drawn, how many images of it are done, and how many there will be."""


def evaluate(
    pipeline: Pipeline,
    edit: ConceptEdit,
    clip: Clip | Unjudged | None = None,
    generation: GenerationSettings | None = None,
    *,
    settings: EvaluationSettings | None = None,
    gate: Gate | None = None,
    copies: Mapping[str, CopyTest] | None = None,
    unedited: Unedited | None = None,
    on_drawn: OnDrawn | None = None,
) -> Evaluation:
    """Draw everything that `probes` lists before and after the edit, score it with CLIP, and hold it to the gate.

    A safety checker is left out meanwhile: what it blackens would count as removed.

    Args:
        pipeline: The unedited base model; it is unedited again afterwards.
        edit: The edit to judge.
        clip: A CLIP or SigLIP and its processor; the embedded one when None. Where nobody judges, images are drawn for
            people and copies counted, and the edit is refused.
        generation: The sampler's settings.
        settings: What to draw; the edit's own when None.
        gate: The limits; the edit's own when None.
        copies: Name of a memorised concept -> for uint8 images (n, H, W, 3), which of them copy its picture. Without
            an entry, copies are counted of the picture that the unedited model draws from most seeds.
        unedited: Images of the unedited model by prompt and seed, uint8 (H, W, 3), for several edits of one model with
            one `generation`: what is in it is not drawn again, what is drawn is added to it.
        on_drawn: Called after every batch of images.

    Returns:
        The figures, with the target's images.

    Raises:
        NotFiniteError: If the model draws NaN, before the edit or after it.
    """
    settings, gate = settings or edit.settings.evaluation, gate or edit.settings.gate
    generation = generation or GenerationSettings()
    evaluated = probes(edit.concepts, settings)
    if isinstance(clip, Unjudged):
        evaluated = probes_without_a_judge(edit.concepts, settings)
        settings = settings.model_copy(update={"adversarial_samples": 0})
    with _unchecked(pipeline):
        evaluated, before, after = _before_and_after(
            pipeline, edit, evaluated, settings, generation, unedited, on_drawn or (lambda what, done, total: None)
        )
    tests = _copy_tests(edit, evaluated, before) | dict(copies or {})
    judging = _judging(clip)
    observations = [
        _observed(judging, probe, first, second, tests)
        for probe, first, second in zip(evaluated, before, after, strict=True)
    ]
    return _evaluation(observations, settings, gate, clip.reason if isinstance(clip, Unjudged) else None)


def _before_and_after(
    pipeline: Pipeline,
    edit: ConceptEdit,
    evaluated: list[Probe],
    settings: EvaluationSettings,
    generation: GenerationSettings,
    unedited: Unedited | None,
    on_drawn: OnDrawn,
) -> tuple[list[Probe], list[np.ndarray], list[np.ndarray]]:
    """What was drawn, searched embeddings included, and its images before and after, uint8 (n, H, W, 3) each."""
    known = {} if unedited is None else unedited
    before = _draw(pipeline, evaluated, settings, generation, known, partial(on_drawn, "images before"))
    searched = [probe for probe in evaluated if probe.role == "target"] if settings.adversarial_samples else []
    with torch.no_grad():
        encoded = [family_of(pipeline).encode([probe.prompt]) for probe in searched]
    entries = text_entry_weights(pipeline) if searched else {}
    original = {name: weight.detach().clone() for name, weight in entries.items()}
    apply(pipeline, edit, edit.base_sha256)
    try:
        after = _draw(pipeline, evaluated, settings, generation, {}, partial(on_drawn, "images after"))
        for probe, target in zip(searched, encoded, strict=True):
            tokens = searched_embedding(original, text_entry_weights(pipeline), target.tokens[0])
            adversarial = replace(target, tokens=tokens[None].to(target.tokens))
            seeds = _seeds(settings, min(settings.adversarial_samples, probe.samples))
            after.append(draw_encoded(pipeline, adversarial, seeds, generation))
            before.append(before[evaluated.index(probe)][: len(seeds)])
    finally:
        remove(pipeline)
    return evaluated + [probe._replace(role="adversarial") for probe in searched], before, after


@contextmanager
def _unchecked(pipeline: Pipeline) -> Iterator[None]:
    """While the block runs, the pipeline has no safety checker; to draw for people, it has its own again."""
    checker = getattr(pipeline, "safety_checker", None)
    family_of(pipeline).remove_safety_checker()
    try:
        yield
    finally:
        if checker is not None:
            pipeline.safety_checker = checker


def copy_test(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: EvaluationSettings,
    generation: GenerationSettings,
    unedited: Unedited,
) -> CopyTest | None:
    """Which images copy what the unedited model draws of a memorised caption; None for other kinds of concept.

    The images that it draws are added to `unedited`, so that `evaluate` can use them.
    """
    if concept.kind != "memorized":
        return None
    targets = [probe for probe in probes([concept], settings) if probe.role == "target"]
    with _unchecked(pipeline):
        return copies_of(memorised_picture(_draw(pipeline, targets, settings, generation, unedited)[0]))


@dataclass(frozen=True)
class _Observation:
    """What CLIP and the copy test see in the images of one probe, before the edit (row 0) and after it (row 1).

    Attributes:
        probe: What was drawn.
        images: uint8 (2, n, H, W, 3).
        features: CLIP's unit vectors, (2, n, d).
        texts: Those of `shown` and its rivals, (1 + rivals, d).
        score: CLIP score with the probe's `shown`, (2, n).
        nearer: Whether an image is nearer to `shown` than to all rivals, bool (2, n).
        copies: Whether an image copies the memorised picture, bool (2, n); None where copies are not counted.
    """

    probe: Probe
    images: np.ndarray
    features: np.ndarray
    texts: np.ndarray
    score: np.ndarray
    nearer: np.ndarray
    copies: np.ndarray | None

    @property
    def shows_target(self) -> np.ndarray:
        return self.nearer if self.copies is None else self.copies


def _seeds(settings: EvaluationSettings, count: int) -> list[int]:
    return list(range(settings.first_seed, settings.first_seed + count))


def _draw(
    pipeline: Pipeline,
    evaluated: Sequence[Probe],
    settings: EvaluationSettings,
    generation: GenerationSettings,
    known: Unedited,
    on_drawn: Callable[[int, int], None] = lambda done, total: None,
) -> list[np.ndarray]:
    """The images of each probe, uint8 (n, H, W, 3); those that are not known are drawn and added to `known`."""
    wanted = [[(probe.prompt, seed) for seed in _seeds(settings, probe.samples)] for probe in evaluated]
    missing = list(dict.fromkeys(key for keys in wanted for key in keys if key not in known))
    texts, seeds = [prompt for prompt, _ in missing], [seed for _, seed in missing]
    drawn = generate(pipeline, texts, seeds, generation, lambda done: on_drawn(done, len(missing)))
    known |= dict(zip(missing, drawn, strict=True))
    return [np.stack([known[key] for key in keys]) for keys in wanted]


def _copy_tests(edit: ConceptEdit, evaluated: Sequence[Probe], before: Sequence[np.ndarray]) -> dict[str, CopyTest]:
    memorised = {concept.name for concept in edit.concepts if concept.kind == "memorized"}
    return {
        probe.concept: copies_of(memorised_picture(images))
        for probe, images in zip(evaluated, before, strict=True)
        if probe.role == "target" and probe.concept in memorised
    }


class _Judging(NamedTuple):
    """Unit vectors of images, uint8 (n, H, W, 3) -> (n, d), and of n texts, (n, d)."""

    images: Callable[[np.ndarray], np.ndarray]
    texts: Callable[[Sequence[str]], np.ndarray]


def _judging(clip: Clip | Unjudged | None) -> _Judging:
    """By a CLIP, the embedded one when None; where nobody judges, everything is alike."""
    if isinstance(clip, Unjudged):
        return _Judging(lambda images: np.ones((len(images), 1)), lambda texts: np.ones((len(texts), 1)))
    opened = clip or load_clip()
    return _Judging(partial(image_features, opened), partial(text_features, opened))


def _observed(
    judging: _Judging, probe: Probe, before: np.ndarray, after: np.ndarray, copy_tests: Mapping[str, CopyTest]
) -> _Observation:
    images = np.stack([before, after])
    features = np.stack([judging.images(side) for side in images])
    texts = judging.texts([probe.shown, *probe.rivals])
    similarity = features @ texts.T
    score = 2.5 * similarity[..., 0].clip(min=0)
    nearer = similarity[..., 0] > similarity[..., 1:].max(-1)
    test = copy_tests.get(probe.concept) if probe.role in ("target", "adversarial", *LEAKS) else None
    copies = None if test is None else np.stack([np.asarray(test(side), bool) for side in images])
    return _Observation(probe, images, features, texts, score, nearer, copies)


def _evaluation(
    observations: Sequence[_Observation], settings: EvaluationSettings, gate: Gate, unjudged: str | None
) -> Evaluation:
    """The figures; without a judge only what needs none."""

    def of(*roles: Role) -> list[_Observation]:
        return [observation for observation in observations if observation.probe.role in roles]

    targets = of("target")
    images = np.concatenate([target.images for target in targets], axis=1)
    blank = blank_images(observations)
    if unjudged is not None:
        return Evaluation(
            samples=settings.samples,
            first_seed=settings.first_seed,
            copy_share=_worst([target for target in targets if target.copies is not None], settings),
            unjudged=unjudged,
            refusals=(f"unjudged: {unjudged}", *blank),
            before=images[0],
            after=images[1],
        )
    kept = of("anchor", "surrounding")
    leakage = {role: _worst(of(role), settings) for role in LEAKS}
    evaluation = Evaluation(
        samples=settings.samples,
        first_seed=settings.first_seed,
        figures=tuple(_figures(observation, settings) for observation in observations),
        target_share=_worst([target for target in targets if target.copies is None], settings),
        copy_share=_worst([target for target in targets if target.copies is not None], settings),
        surrounding_drop=_worst(kept, settings, lambda seen: seen.nearer[0].astype(float) - seen.nearer[1]),
        leakage={role: share for role, share in leakage.items() if share},
        adversarial_share=_worst(of("adversarial"), settings),
        unrelated_drop=_score_drop(of("unrelated"), settings),
        target_kid=_kid(targets, settings),
        surrounding_kid=_kid(kept, settings),
        before=images[0],
        after=images[1],
    )
    grounds = [*blank, *target_was_not_there(observations, gate), *judge_is_a_stranger(observations)]
    return evaluation.model_copy(update={"refusals": (*refusals(evaluation, gate), *grounds)})


def _worst(
    observations: Sequence[_Observation],
    settings: EvaluationSettings,
    values: Callable[[_Observation], np.ndarray] = lambda seen: seen.shows_target[1],
) -> Estimate | None:
    """The highest mean over concepts; None where nothing was observed."""
    pooled: dict[str, list[np.ndarray]] = {}
    for observation in observations:
        pooled.setdefault(observation.probe.concept, []).append(values(observation))
    estimates = [mean_estimate(np.concatenate(parts), settings.resamples) for parts in pooled.values()]
    return max(estimates, key=lambda estimate: estimate.value, default=None)


def _score_drop(observations: Sequence[_Observation], settings: EvaluationSettings) -> Estimate | None:
    if not observations:
        return None
    before, after = np.concatenate([observation.score for observation in observations], axis=1)
    return relative_drop_estimate(before, after, settings.resamples)


def _kid(observations: Sequence[_Observation], settings: EvaluationSettings) -> Estimate | None:
    if sum(observation.images.shape[1] for observation in observations) < 2:
        return None
    before, after = np.concatenate([observation.features for observation in observations], axis=1)
    return paired_kid(after, before, min(settings.resamples, 200))


def _figures(observation: _Observation, settings: EvaluationSettings) -> PromptFigures:
    probe, copies = observation.probe, observation.copies
    score, accuracy = (
        mean_estimate(values[1], settings.resamples) for values in (observation.score, observation.nearer)
    )
    return PromptFigures(
        concept=probe.concept,
        prompt=probe.prompt,
        role=probe.role,
        n=len(observation.score[1]),
        score_before=float(observation.score[0].mean()),
        score_after=score.value,
        score_interval=(score.low, score.high),
        accuracy_before=float(observation.nearer[0].mean()),
        accuracy_after=accuracy.value,
        accuracy_interval=(accuracy.low, accuracy.high),
        copies_before=None if copies is None else float(copies[0].mean()),
        copies_after=None if copies is None else float(copies[1].mean()),
        kid=_kid([observation], settings),
    )
