"""Draws prompts in batches and keeps account of the processor time it took."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from twig_assets.english import with_article
from twig_assets.generation import GenerationSettings, Pipeline, generate
from twig_assets.model_zoo.art import BACKGROUNDS

BATCH = 16


@dataclass
class Artist:
    """A pipeline with its settings.

    Attributes:
        pipeline: Samples the pictures.
        settings: Of the sampler.
        cpu_seconds: Batch size -> CPU seconds of each batch of that size, all threads together.
    """

    pipeline: Pipeline
    settings: GenerationSettings
    cpu_seconds: dict[int, list[float]] = field(default_factory=dict)

    def draw(self, prompts: Sequence[str], seeds: Sequence[int], batch: int = BATCH, doing: str = "") -> np.ndarray:
        """One picture per prompt and seed: uint8 (n, H, W, 3). `doing` is shown beside the progress bar."""
        drawn = []
        for at in tqdm(range(0, len(prompts), batch), desc=doing, unit="batch"):
            asked = list(prompts[at : at + batch])
            start = time.process_time()
            drawn.append(generate(self.pipeline, asked, list(seeds[at : at + batch]), self.settings))
            self.cpu_seconds.setdefault(len(asked), []).append(time.process_time() - start)
        return np.concatenate(drawn)

    def draw_pairs(
        self,
        pairs: Sequence[tuple[str, str]],
        first_seed: int,
        rng: np.random.Generator,
        batch: int = BATCH,
        doing: str = "",
    ) -> np.ndarray:
        """A picture of each (concept, style) pair from a plain prompt, with seeds from `first_seed` up."""
        prompts = [plain_prompt(pair, rng) for pair in pairs]
        return self.draw(prompts, range(first_seed, first_seed + len(prompts)), batch, doing)

    def seconds_per_image(self, batch: int) -> float:
        """Median CPU seconds per picture over the batches of this size; at least one must have been drawn."""
        return float(np.median(self.cpu_seconds[batch])) / batch


def plain_prompt(pair: tuple[str, str], rng: np.random.Generator) -> str:
    """`a red apple, noto style on a blue background`, on a random one of the grounds."""
    ground = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    return f"{with_article(pair[0].lower())}, {pair[1]} style on a {ground} background"
