"""TWIG's second step: the same prompt again, away from the first image's shape."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from twig_assets.generation import GenerationSettings, ModelFamily, Pipeline, check_lengths, family_of
from twig_assets.generation.batching import at_once, in_batches
from twig_assets.generation.sampling import image_size
from twig_assets.generation.schedulers import parametrisation
from twig_assets.generation.threads import enough_threads
from twig_assets.regeneration.drawing import drawn_with
from twig_assets.regeneration.latents import grown
from twig_assets.regeneration.objects import Segment
from twig_assets.regeneration.strategy import Batch, strategy_named
from twig_assets.settings.regeneration import RegenerationSettings


def regenerate(
    pipeline: Pipeline,
    prompts: Sequence[str],
    images: np.ndarray,
    masks: np.ndarray,
    seeds: Sequence[int],
    settings: RegenerationSettings | None = None,
    generation: GenerationSettings | None = None,
    references: Sequence[np.ndarray] = (),
    on_progress: Callable[[int], None] | None = None,
    evidence: Sequence[bool] | None = None,
    segment: Segment | None = None,
    on_figures: Callable[[list[dict[str, Any]]], None] | None = None,
) -> np.ndarray:
    """Sample one new image per prompt that avoids the mask of the first one.

    Args:
        pipeline: A text-to-image pipeline of a known family.
        prompts: n prompts.
        images: uint8 (n, H, W, 3), the first images.
        masks: bool (n, H, W), true where the first image's shape is.
        seeds: n seeds. The new image starts from its own noise, so give another seed than the first image had; `move`
            and `auto` choose among several seed candidates that are derived from it.
        settings: How to avoid; the defaults when None. With strength 0 the result is the plain sampler's, to the byte.
        generation: The sampler's settings; the defaults when None.
        references: k protected works to keep away from, each uint8 (h, w, 3): of a large corpus the nearest ones.
        on_progress: Called with the number of images done so far.
        evidence: For which of the n prompts an audit found a copy of a work in an earlier image: they count as
            memorised at once. None is none of them.
        segment: Gives the objects of images, uint8 (k, H, W, 3), as masks, bool (k, H, W), all False where there is
            none to be used. `move` and `auto` ask it where an object's colour does not say where it is; without it
            they go by the colour alone.
        on_figures: Called with what was done to each image of a batch, as JSON takes it, batch by batch; under
            `avoidance` how it keeps off the mask, see `strategies/move.py`.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        ValueError: If the numbers or sizes of prompts, images, masks, seeds and evidence do not agree, a mask is empty,
            or guidance has to be changed and there is none.
        UnknownFamilyError: If no family knows the pipeline's class.
        MissingCapabilityError: If a strategy needs something that the model does not have.
        NoRoomError: If `relocate` is asked for and a mask covers everything.
        ObjectTokensError: If `suppress` or `relocate` is asked for and a prompt names no object.
        NoReferencesError: If `references` is asked for and there are none.
        UnsupportedSchedulerError: If the clean prediction of the pipeline's scheduler cannot be read.
        NotFiniteError: If the model's prediction is not finite.
        TooLittleMemoryError: If not even one image fits; a batch that does not fit is halved.
    """
    settings, generation = settings or RegenerationSettings(), generation or GenerationSettings()
    family = family_of(pipeline)
    check_lengths(family, prompts)
    size = image_size(family, generation)
    _check_masks(prompts, images, masks, seeds, size)
    chosen = [strategy_named(name) for name in settings.strategies] if settings.strength > 0 else []
    for problem in settings_problems(family, settings, generation, len(references)):
        raise problem
    copied = np.zeros(len(prompts), bool) if evidence is None else np.asarray(evidence, bool)
    if copied.shape != (len(prompts),):
        raise ValueError(f"{len(prompts)} prompts and evidence of shape {copied.shape}; give one bool for each prompt")
    masks = grown(masks, settings.dilation * family.reduction)
    batches = []

    def draw(part: slice) -> tuple[np.ndarray, list[dict[str, Any]]]:
        given = prompts[part], seeds[part], images[part], masks[part], works
        return drawn_with(Batch(family, *given, settings, generation, copied[part], segment), chosen)

    with enough_threads(pipeline):
        works = family.encode_images(references, size) if chosen and len(references) else None
        for part, (drawn, figures) in in_batches(pipeline, len(prompts), at_once(family, generation), draw):
            batches.append(drawn)
            if on_figures:
                on_figures(figures)
            if on_progress:
                on_progress(part.stop)
    return np.concatenate(batches) if batches else images


def settings_problems(
    family: ModelFamily, settings: RegenerationSettings, generation: GenerationSettings, references: int
) -> list[ValueError]:
    """Why a model cannot regenerate with these settings; nothing if it can. It needs no weights.

    Args:
        family: The model.
        settings: The strategies.
        generation: The sampler's settings.
        references: How many protected works there are.
    """
    chosen = [strategy_named(name) for name in settings.strategies] if settings.strength > 0 else []
    checks: list[Callable[[], object]] = []
    for strategy in chosen:
        checks.append(partial(strategy.check, generation, references))
        checks += [partial(family.require, need, f"the strategy {strategy.name!r}") for need in sorted(strategy.needs)]
    if chosen:
        checks.append(lambda: parametrisation(family.scheduler(generation.steps, image_size(family, generation))))
    problems = []
    for check in checks:
        try:
            check()
        except ValueError as error:
            problems.append(error)
    return problems


def _check_masks(
    prompts: Sequence[str], images: np.ndarray, masks: np.ndarray, seeds: Sequence[int], size: tuple[int, int]
) -> None:
    if not len(prompts) == len(images) == len(masks) == len(seeds):
        raise ValueError(
            f"{len(prompts)} prompts, {len(images)} images, {len(masks)} masks and {len(seeds)} seeds; give one of "
            f"each for every image"
        )
    if masks.shape[1:] != size or images.shape[1:3] != size:
        raise ValueError(f"images {images.shape[1:3]} and masks {masks.shape[1:]} must have the model's size {size}")
    for i, mask in enumerate(masks):
        if not mask.any():
            raise ValueError(f"mask {i} ({prompts[i]!r}) is empty; there is no shape to avoid")
