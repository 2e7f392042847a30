"""TWIG's second step: the same prompt anew, away from the first image's shape."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import numpy as np
import torch

from twig_assets.generation import GenerationSettings, Pipeline, check_lengths
from twig_assets.generation.attention import BiasedProcessor, cross_attention, suppression
from twig_assets.generation.autoencoder import encode
from twig_assets.generation.generate import image_size, reduction, sample
from twig_assets.generation.steering import Prediction, Steer, steered
from twig_assets.regeneration.latents import grown, latent_mask
from twig_assets.regeneration.memorisation import Need
from twig_assets.regeneration.object_tokens import object_tokens
from twig_assets.regeneration.seed_selection import chosen_noise
from twig_assets.regeneration.strategies.guidance import Chosen, Scales, guided, prompted
from twig_assets.regeneration.strategies.move import moved
from twig_assets.regeneration.strategies.relocate import Relocation
from twig_assets.regeneration.strategies.repel import repel
from twig_assets.regeneration.strategies.vacate import vacate
from twig_assets.settings.regeneration import RegenerationSettings, Strategy


class NoReferencesError(ValueError):
    """The strategy `references` was asked for and there are none."""


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
) -> np.ndarray:
    """Sample one new image per prompt that avoids the mask of the first one.

    Args:
        pipeline: Stable Diffusion or Stable Diffusion XL.
        prompts: n prompts.
        images: uint8 (n, H, W, 3), the first images.
        masks: bool (n, H, W), true where the first image's shape is.
        seeds: n seeds. The new image starts from its own noise, so give another seed than the first image had; `move`
            and `auto` choose among several beginnings that are derived from it.
        settings: How to avoid; the defaults when None. With strength 0 the result is the plain sampler's, to the byte.
        generation: The sampler's settings; the defaults when None.
        references: Protected works to keep away from, each uint8 (h, w, 3): of a large corpus the nearest ones.
        on_progress: Called with the number of images done so far.

    Returns:
        uint8 array of shape (n, H, W, 3).

    Raises:
        ValueError: If the numbers or sizes of prompts, images, masks and seeds do not agree, a mask is empty, or
            guidance has to be changed and there is none.
        NoRoomError: If `relocate` is asked for and a mask covers everything.
        ObjectTokensError: If `suppress` or `relocate` is asked for and a prompt names no object.
        NoReferencesError: If `references` is asked for and there are none.
        UnsupportedSchedulerError: If the pipeline's scheduler cannot be steered.
        FloatingPointError: If the model's prediction is not finite.
    """
    settings, generation = settings or RegenerationSettings(), generation or GenerationSettings()
    check_lengths(pipeline, prompts)
    size = image_size(pipeline, generation)
    _check_masks(prompts, images, masks, seeds, size)
    _check_strategies(settings, generation, references)
    masks = grown(masks, settings.dilation * reduction(pipeline))
    works = encode(pipeline, references, size)[None] if len(references) and settings.strength > 0 else None
    parts = []
    for start in range(0, len(prompts), generation.batch_size):
        chunk = slice(start, start + generation.batch_size)
        if settings.strength == 0:
            parts.append(sample(pipeline, prompts[chunk], seeds[chunk], generation))
        else:
            noise = None
            if {"auto", "move"} & set(settings.strategies):
                noise = chosen_noise(pipeline, prompts[chunk], seeds[chunk], masks[chunk], settings, generation)
            course = _Course(pipeline, prompts[chunk], images[chunk], masks[chunk], seeds[chunk], works, settings, size)
            parts.append(course.sample(generation, noise))
        if on_progress:
            on_progress(min(start + generation.batch_size, len(prompts)))
    return np.concatenate(parts) if parts else images


class _Course:
    """The strategies at work on one batch: what is done to each prediction, and to guidance."""

    def __init__(
        self,
        pipeline: Pipeline,
        prompts: Sequence[str],
        images: np.ndarray,
        masks: np.ndarray,
        seeds: Sequence[int],
        works: torch.Tensor | None,
        settings: RegenerationSettings,
        size: tuple[int, int],
    ) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._works = works
        self._prompts = prompts
        self._seeds = seeds
        self._masks = masks
        self._need: Need | None = None
        cells = (size[0] // reduction(pipeline), size[1] // reduction(pipeline))
        self._mask = latent_mask(masks, cells)
        needs_firsts = {"auto", "forget", "repel"} & set(settings.strategies)
        self._firsts = encode(pipeline, images, size) if needs_firsts else None
        self._steers: list[Steer] = []
        self._scales: list[Scales] = []
        self._neutral: list[Chosen] = []
        self._attached: list[AbstractContextManager[None]] = []
        for strategy in settings.strategies:
            self._add(strategy)

    def sample(self, generation: GenerationSettings, noise: torch.Tensor | None) -> np.ndarray:
        """uint8 (n, H, W, 3), drawn from the given noise, or the seeds' own."""
        twin = steered(self._pipeline, self._steer)
        with ExitStack() as stack:
            for scales in self._scales:
                stack.enter_context(guided(twin, scales))
            for chosen in self._neutral:
                stack.enter_context(prompted(twin, self._settings.neutral, chosen))
            for attached in self._attached:
                stack.enter_context(attached)
            return self._finished(sample(twin, self._prompts, self._seeds, generation, latents=noise))

    def _finished(self, images: np.ndarray) -> np.ndarray:
        strategies = set(self._settings.strategies)
        if not {"auto", "move"} & strategies:
            return images
        there = moved(images, self._masks, self._settings.edge_cost, reduction(self._pipeline))
        if self._need is None or self._need.memorised is None or "move" in strategies:
            return there
        return np.where(self._need.memorised.cpu().numpy()[:, None, None, None], images, there)

    def _steer(self, now: Prediction) -> Prediction:
        for steer in self._steers:
            now = steer(now)
        return now

    def _add(self, strategy: Strategy) -> None:
        settings, mask = self._settings, self._mask
        if strategy == "vacate":
            self._steers.append(vacate(mask, settings))
        elif strategy == "repel" and self._firsts is not None:
            self._steers.append(repel(self._firsts[:, None], mask, settings.radius, settings.strength))
        elif strategy == "suppress":
            self._suppress()
        elif strategy == "relocate":
            relocation = Relocation(self._pipeline, mask, self._object_tokens(), settings)
            self._steers.append(relocation.steer)
            self._attached.append(relocation.attached())
        elif strategy == "references":
            self._keep_from_works()
        elif strategy == "delay":
            self._scales.append(self._delayed)
        elif strategy in ("auto", "forget") and self._firsts is not None:
            need = self._need = Need(self._firsts, None if self._works is None else self._works[0], settings)
            self._steers.append(need.steer)
            self._scales.append(need.scales)
            if settings.neutral:
                self._neutral.append(need.neutral)
            if strategy == "auto":
                self._keep_from_works()

    def _keep_from_works(self) -> None:
        if self._works is not None:
            everywhere = torch.ones_like(self._mask)
            self._steers.append(repel(self._works, everywhere, self._settings.radius, self._settings.strength))

    def _suppress(self) -> None:
        bias = suppression(self._mask, self._object_tokens(), self._settings.strength)
        active = [True]

        def watch(now: Prediction) -> Prediction:
            active[0] = (now.index + 1) / now.steps < self._settings.until
            return now

        self._steers.append(watch)
        wrap = partial(BiasedProcessor, bias=lambda places: bias(places) if active[0] else None)
        self._attached.append(cross_attention(self._pipeline.unet, wrap))

    def _object_tokens(self) -> torch.Tensor:
        return object_tokens(self._pipeline.tokenizer, self._prompts, self._pipeline.tokenizer.model_max_length)

    def _delayed(self, progress: float) -> torch.Tensor | None:
        if progress >= self._settings.delay_until:
            return None
        return torch.full((len(self._mask),), self._settings.delay_scale * self._settings.strength)


def _check_strategies(
    settings: RegenerationSettings, generation: GenerationSettings, references: Sequence[np.ndarray]
) -> None:
    if settings.strength == 0:
        return
    if "references" in settings.strategies and not len(references):
        raise NoReferencesError("the strategy 'references' needs protected works to keep away from; give references")
    if {"auto", "forget", "delay"} & set(settings.strategies) and generation.guidance_scale <= 1:
        raise ValueError(
            f"guidance_scale {generation.guidance_scale:g} leaves no guidance to change; set it above 1, or choose "
            f"another strategy than 'auto', 'forget' and 'delay'"
        )


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
