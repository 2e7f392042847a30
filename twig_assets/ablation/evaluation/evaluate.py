"""What an edit did: does the target still appear, in whatever words, and are its surroundings still themselves?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from twig_assets.ablation.edits.applying import apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.edits.parameters import cross_attention_weights
from twig_assets.ablation.evaluation.adversarial import draw_encoded, encode, searched_embedding
from twig_assets.ablation.evaluation.copies import CopyTest, copies_of, memorised_picture
from twig_assets.ablation.evaluation.figures import Evaluation, PromptFigures, refusals
from twig_assets.ablation.evaluation.prompts import LEAKS, Probe, Role, probes
from twig_assets.ablation.evaluation.statistics import Estimate, mean_estimate, paired_kid, relative_drop_estimate
from twig_assets.generation import GenerationSettings, Pipeline, generate
from twig_assets.judge.clip import Clip, image_features, text_features
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.evaluation import EvaluationSettings, Gate

Unedited: TypeAlias = dict[tuple[str, int], np.ndarray]


def evaluate(
    pipeline: Pipeline,
    edit: ConceptEdit,
    clip: Clip | None = None,
    generation: GenerationSettings | None = None,
    *,
    settings: EvaluationSettings | None = None,
    gate: Gate | None = None,
    copies: Mapping[str, CopyTest] | None = None,
    unedited: Unedited | None = None,
) -> Evaluation:
    """Draw everything that `probes` lists before and after the edit, score it with CLIP, and hold it to the gate.

    Args:
        pipeline: The unedited base model; it is unedited again afterwards.
        edit: The edit to judge.
        clip: A CLIP model and its processor; the embedded one when None.
        generation: The sampler's settings.
        settings: What to draw; the edit's own when None.
        gate: The limits; the edit's own when None.
        copies: Name of a memorised concept -> for images (n, H, W, 3), which of them copy its picture. For one that is
            not named, copies are counted of the picture that the unedited model draws again and again.
        unedited: Images of the unedited model by prompt and seed. Those that are there are not drawn again, those
            that are drawn are added: for several edits of one model, with one `generation`.

    Returns:
        The figures, with the target's images.
    """
    settings, gate = settings or edit.settings.evaluation, gate or edit.settings.gate
    generation = generation or GenerationSettings()
    if clip is None:
        from twig_assets.model_zoo import load_clip

        clip = load_clip()
    asked = probes(edit.concepts, settings)
    before = _draw(pipeline, asked, settings, generation, {} if unedited is None else unedited)
    searched = [probe for probe in asked if probe.role == "target"] if settings.adversarial_samples else []
    encoded = [encode(pipeline, probe.prompt) for probe in searched]
    original = {name: weight.detach().clone() for name, weight in cross_attention_weights(pipeline).items()}
    apply(pipeline, edit, edit.base_sha256)
    try:
        after = _draw(pipeline, asked, settings, generation, {})
        for probe, embedding in zip(searched, encoded, strict=True):
            found = searched_embedding(original, cross_attention_weights(pipeline), embedding["prompt_embeds"][0])
            seeds = _seeds(settings, min(settings.adversarial_samples, probe.samples))
            after.append(draw_encoded(pipeline, embedding | {"prompt_embeds": found[None]}, seeds, generation))
            before.append(before[asked.index(probe)][: len(seeds)])
    finally:
        remove(pipeline)
    asked += [probe._replace(role="adversarial") for probe in searched]
    tests = _copy_tests(edit, asked, before) | dict(copies or {})
    seen = [_look(clip, *one, tests) for one in zip(asked, before, after, strict=True)]
    return _judged(seen, settings, gate)


def copy_test(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: EvaluationSettings,
    generation: GenerationSettings,
    unedited: Unedited,
) -> CopyTest | None:
    """Which images copy what the unedited model draws of a memorised caption; None for other kinds of concept.

    The images that this takes are added to `unedited`, for `evaluate` to use.
    """
    if concept.kind != "memorized":
        return None
    asked = [probe for probe in probes([concept], settings) if probe.role == "target"]
    return copies_of(memorised_picture(_draw(pipeline, asked, settings, generation, unedited)[0]))


@dataclass(frozen=True)
class _Seen:
    """What CLIP and the copy test say about the images of one probe, before and after: (2, n) or (2, n, d) each."""

    probe: Probe
    images: np.ndarray
    features: np.ndarray
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
    asked: Sequence[Probe],
    settings: EvaluationSettings,
    generation: GenerationSettings,
    known: Unedited,
) -> list[np.ndarray]:
    wanted = [[(probe.prompt, seed) for seed in _seeds(settings, probe.samples)] for probe in asked]
    missing = list(dict.fromkeys(key for keys in wanted for key in keys if key not in known))
    drawn = generate(pipeline, [prompt for prompt, _ in missing], [seed for _, seed in missing], generation)
    known |= dict(zip(missing, drawn, strict=True))
    return [np.stack([known[key] for key in keys]) for keys in wanted]


def _copy_tests(edit: ConceptEdit, asked: Sequence[Probe], before: Sequence[np.ndarray]) -> dict[str, CopyTest]:
    memorised = {concept.name for concept in edit.concepts if concept.kind == "memorized"}
    return {
        probe.concept: copies_of(memorised_picture(images))
        for probe, images in zip(asked, before, strict=True)
        if probe.role == "target" and probe.concept in memorised
    }


def _look(clip: Clip, probe: Probe, before: np.ndarray, after: np.ndarray, copies: Mapping[str, CopyTest]) -> _Seen:
    features = np.stack([image_features(clip, images) for images in (before, after)])
    similarity = features @ text_features(clip, [probe.shown, *probe.rivals]).T
    score = 2.5 * similarity[..., 0].clip(min=0)
    test = copies.get(probe.concept) if probe.role in ("target", "adversarial", *LEAKS) else None
    copied = None if test is None else np.stack([np.asarray(test(images), bool) for images in (before, after)])
    return _Seen(
        probe, np.stack([before, after]), features, score, similarity[..., 0] > similarity[..., 1:].max(-1), copied
    )


def _judged(seen: Sequence[_Seen], settings: EvaluationSettings, gate: Gate) -> Evaluation:
    kept = [one for one in seen if one.probe.role in ("anchor", "surrounding")]
    targets = [one for one in seen if one.probe.role == "target"]
    images = np.concatenate([one.images for one in targets], axis=1)
    evaluation = Evaluation(
        samples=settings.samples,
        first_seed=settings.first_seed,
        figures=tuple(_figures(one, settings) for one in seen),
        target_share=_worst([one for one in targets if one.copies is None], settings),
        copy_share=_worst([one for one in targets if one.copies is not None], settings),
        surrounding_drop=_worst(kept, settings, lambda one: one.nearer[0].astype(float) - one.nearer[1]),
        leakage={
            role: figure
            for role in LEAKS
            if (figure := _worst([one for one in seen if one.probe.role == role], settings))
        },
        adversarial_share=_worst([one for one in seen if one.probe.role == "adversarial"], settings),
        unrelated_drop=_drop([one.score for one in seen if one.probe.role == "unrelated"], settings),
        target_kid=_kid(targets, settings),
        surrounding_kid=_kid(kept, settings),
        before=images[0],
        after=images[1],
    )
    return evaluation.model_copy(update={"refusals": refusals(evaluation, gate)})


def _worst(
    seen: Sequence[_Seen],
    settings: EvaluationSettings,
    values: Callable[[_Seen], np.ndarray] = lambda one: one.shows_target[1],
) -> Estimate | None:
    """The highest mean over concepts; None of nothing."""
    pooled: dict[str, list[np.ndarray]] = {}
    for one in seen:
        pooled.setdefault(one.probe.concept, []).append(values(one))
    found = [mean_estimate(np.concatenate(parts), settings.resamples) for parts in pooled.values()]
    return max(found, key=lambda figure: figure.value, default=None)


def _drop(scores: Sequence[np.ndarray], settings: EvaluationSettings) -> Estimate | None:
    if not scores:
        return None
    before, after = np.concatenate(scores, axis=1)
    return relative_drop_estimate(before, after, settings.resamples)


def _kid(seen: Sequence[_Seen], settings: EvaluationSettings) -> Estimate | None:
    if sum(one.images.shape[1] for one in seen) < 2:
        return None
    before, after = np.concatenate([one.features for one in seen], axis=1)
    return paired_kid(after, before, min(settings.resamples, 200))


def _figures(one: _Seen, settings: EvaluationSettings) -> PromptFigures:
    score, accuracy = (mean_estimate(values[1], settings.resamples) for values in (one.score, one.nearer))
    role: Role = one.probe.role
    return PromptFigures(
        concept=one.probe.concept,
        prompt=one.probe.prompt,
        role=role,
        n=len(one.score[1]),
        score_before=float(one.score[0].mean()),
        score_after=score.value,
        score_interval=(score.low, score.high),
        accuracy_before=float(one.nearer[0].mean()),
        accuracy_after=accuracy.value,
        accuracy_interval=(accuracy.low, accuracy.high),
        copies_before=None if one.copies is None else float(one.copies[0].mean()),
        copies_after=None if one.copies is None else float(one.copies[1].mean()),
        kid=_kid([one], settings),
    )
