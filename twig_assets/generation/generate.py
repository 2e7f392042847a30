"""Sampling images, in batches and reproducibly: an image depends on its own prompt, seed and settings only."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from twig_assets.generation.batching import at_once, in_batches
from twig_assets.generation.family import ModelFamily, Pipeline, family_of
from twig_assets.generation.sampling import image_size, sample
from twig_assets.generation.threads import enough_threads
from twig_assets.settings.generation import GenerationSettings


class PromptTooLongError(ValueError):
    """A prompt that the text encoder would cut off."""


def generate(
    pipeline: Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: GenerationSettings | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Sample one image per prompt.

    Args:
        pipeline: A text-to-image pipeline of a known family.
        prompts: n prompts.
        seeds: n seeds. Each makes its own image's noise, at the start and, where the scheduler adds some, at every
            step, so an image does not depend on its neighbours' seeds.
        settings: The sampler's settings; the defaults when None.
        on_progress: Called with the number of images done so far.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        ValueError: If prompts and seeds differ in number.
        UnknownFamilyError: If no family knows the pipeline's class.
        PromptTooLongError: If a prompt has more tokens than the text encoder reads.
        NotFiniteError: If the model produced NaN.
        TooLittleMemoryError: If not even one image fits; a batch that does not fit is halved.
    """
    settings, family = settings or GenerationSettings(), family_of(pipeline)
    if len(prompts) != len(seeds):
        raise ValueError(f"{len(prompts)} prompts but {len(seeds)} seeds; give one seed for each prompt")
    check_lengths(family, [*prompts, settings.negative_prompt] if settings.negative_prompt else prompts)
    batches = []
    draw = partial(_draw, family, prompts, seeds, settings)
    with enough_threads(pipeline):
        for part, drawn in in_batches(pipeline, len(prompts), at_once(family, settings), draw):
            batches.append(drawn)
            if on_progress:
                on_progress(part.stop)
    return np.concatenate(batches) if batches else np.zeros((0, *image_size(family, settings), 3), np.uint8)


def _draw(
    family: ModelFamily, prompts: Sequence[str], seeds: Sequence[int], settings: GenerationSettings, part: slice
) -> np.ndarray:
    return sample(family, prompts[part], seeds[part], settings)


def check_lengths(family: ModelFamily, prompts: Sequence[str]) -> None:
    """Refuse prompts that the text encoder would silently cut.

    Raises:
        PromptTooLongError: Naming the first such prompt, its length and the limit.
    """
    limit = family.prompt_limit
    for prompt in prompts:
        count = len(family.token_ids(prompt))
        if count > limit:
            raise PromptTooLongError(
                f"prompt {prompt[:60]!r}… has {count} tokens and the text encoder reads {limit}; shorten it by about "
                f"{count - limit} tokens"
            )
