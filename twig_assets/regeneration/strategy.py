"""What a regeneration strategy is: one file each in `strategies/`, found by the name that the settings give it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from twig_assets.generation import Capability, GenerationSettings, ModelFamily
from twig_assets.generation.steering import SamplingHook
from twig_assets.regeneration.latents import latent_mask
from twig_assets.regeneration.objects import Segment
from twig_assets.settings.regeneration import RegenerationSettings


@dataclass(frozen=True, eq=False)
class Batch:
    """The n images that are drawn together, and what is known of them.

    Attributes:
        family: The model.
        prompts: n prompts.
        seeds: n seeds.
        images: uint8 (n, H, W, 3), the first images.
        masks: bool (n, H, W), where their shapes are, dilation included.
        references: Latents of the protected works (k, C, h, w), if any are known.
        settings: How to avoid; its strength is above 0.
        generation: The sampler's settings.
        evidence: bool (n,), for which prompts an audit found a copy of a work in an earlier image.
        segment: Finds the objects of images, if there is a segmenter.
    """

    family: ModelFamily
    prompts: Sequence[str]
    seeds: Sequence[int]
    images: np.ndarray
    masks: np.ndarray
    references: torch.Tensor | None
    settings: RegenerationSettings
    generation: GenerationSettings
    evidence: np.ndarray
    segment: Segment | None = None

    def part(self, at: Sequence[int]) -> "Batch":
        """The batch of the images at these positions."""
        prompts, seeds, rows = [self.prompts[i] for i in at], [self.seeds[i] for i in at], list(at)
        images, masks, evidence = self.images[rows], self.masks[rows], self.evidence[rows]
        return replace(self, prompts=prompts, seeds=seeds, images=images, masks=masks, evidence=evidence)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.masks.shape[1], self.masks.shape[2]

    @cached_property
    def latent_mask(self) -> torch.Tensor:
        """The masks on the latent grid, float (n, 1, h, w) of zeros and ones."""
        height, width = (side // self.family.reduction for side in self.size)
        return latent_mask(self.masks, (height, width))

    @cached_property
    def first_latents(self) -> torch.Tensor:
        """Latents of the first images, (n, C, h, w)."""
        return self.family.encode_images(self.images, self.size)


@dataclass(frozen=True, eq=False)
class Redraw:
    """Images of a batch that are worth another try.

    Attributes:
        at: Their k positions in the batch.
        noise: What they start from then, (k, C, h, w).
        figures: Where that noise comes from, for the `avoidance` of each.
    """

    at: list[int]
    noise: torch.Tensor
    figures: list[dict[str, Any]]


class RegenerationStrategy(SamplingHook):
    """One strategy at work on one batch; what it does not override is left as the plain sampler has it.

    At strength 0 no strategy is made at all.

    Attributes:
        name: What the settings call it.
        needs: What the model has to offer.

    Args:
        batch: What it works on.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    @classmethod
    def check(cls, generation: GenerationSettings, references: int) -> None:
        """Refuse what the strategy cannot work with, before anything is drawn.

        Args:
            generation: The sampler's settings.
            references: How many protected works there are to keep away from.

        Raises:
            ValueError: Of the strategy's own kind, with what to change.
        """

    def noise(self) -> torch.Tensor | None:
        """What the drawing starts from, (n, C, h, w), in place of the seeds' own noise."""
        return None

    def finish(self, images: np.ndarray) -> np.ndarray:
        """The finished images of uint8 images (n, H, W, 3) as they were drawn."""
        return images

    def redraw(self) -> Redraw | None:
        """Which images, finished as they are, should be drawn once more from other noise, if any.

        The second try is kept where it overlaps the mask less by its `figures` (`overlap` under `avoidance`).
        """
        return None

    def figures(self) -> list[dict[str, Any]]:
        """What was done to each of the n images once they are finished, by name, as JSON takes it."""
        return [{} for _ in self.batch.prompts]


# Name -> strategy; `register` adds to it.
STRATEGIES: dict[str, type[RegenerationStrategy]] = {}


def register(strategy: type[RegenerationStrategy]) -> type[RegenerationStrategy]:
    """Make a strategy known by its name. A class decorator."""
    STRATEGIES[strategy.name] = strategy
    return strategy


def strategy_named(name: str) -> type[RegenerationStrategy]:
    """The strategy that the settings call so.

    Raises:
        ValueError: If there is none, with the names that there are.
    """
    if name not in STRATEGIES:
        raise ValueError(f"the strategy {name!r} is unknown; choose one of {', '.join(known_strategies())}")
    return STRATEGIES[name]


def known_strategies() -> list[str]:
    """The names of all strategies, in alphabetical order."""
    return sorted(STRATEGIES)
