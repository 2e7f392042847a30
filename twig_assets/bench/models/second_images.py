"""Drawing for the benchmark `regeneration`: first images with their masks, and second images by each strategy."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from twig_assets.bench.models.artist import BATCH
from twig_assets.generation import GenerationSettings, Pipeline, generate
from twig_assets.model_zoo import load_pipeline, load_sam, planted
from twig_assets.model_zoo.art import SIDE
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.segmentation import RememberingSegmenter, segment

SECOND_SEED_OFFSET = 50_000


@dataclass(frozen=True)
class FirstImages:
    """First images and what they were drawn from; n of each, ordered by seed and then by prompt.

    Attributes:
        kind: `ordinary`, `planted`, `content` or `ordinary, half size`.
        prompts: n prompts.
        concepts: What each shows, for the classifier; empty for titles.
        seeds: int (n,), of the first images; a second image's is SECOND_SEED_OFFSET more.
        images: uint8 (n, H, W, 3).
        masks: bool (n, H, W).
        usable: bool (n,), whether there is a mask.
        per_seed: Images of one seed.
    """

    kind: str
    prompts: list[str]
    concepts: list[str]
    seeds: np.ndarray
    images: np.ndarray
    masks: np.ndarray
    usable: np.ndarray
    per_seed: int

    def part(self, count: int) -> "FirstImages":
        """The first `count` of them."""
        arrays = (self.seeds[:count], self.images[:count], self.masks[:count], self.usable[:count])
        prompts, concepts = self.prompts[:count], self.concepts[:count]
        return FirstImages(self.kind, prompts, concepts, *arrays, min(self.per_seed, count))


@dataclass(frozen=True)
class SecondImages:
    """The second images of one strategy, and what they cost.

    Attributes:
        firsts: The first images; n of them.
        images: uint8 (n, H, W, 3).
        seconds: Processor seconds per image, of each batch; empty for images that were not drawn for it.
    """

    firsts: FirstImages
    images: np.ndarray
    seconds: np.ndarray = field(default_factory=lambda: np.empty(0))

    def cost_ratio(self, plain: np.ndarray) -> float | None:
        """Median over the batches of the seconds divided by the plain sampler's for the same batch; None unless drawn.

        Args:
            plain: Processor seconds per image of the plain sampler, of each batch; at least as many batches.
        """
        return float(np.median(self.seconds / plain[: len(self.seconds)])) if len(self.seconds) else None


class Studio:
    """The generator and the segmenter, at one size of images."""

    def __init__(self, side: int = SIDE, pipeline: Pipeline | None = None) -> None:
        """Open the models.

        Args:
            side: The images' height and width in pixels.
            pipeline: The generator; the embedded U-Net's when None.
        """
        self.pipeline, self.sam = pipeline or load_pipeline(), load_sam()
        self.generation = GenerationSettings(batch_size=BATCH, height=side, width=side)
        # Of each work one picture, as in a corpus; its other colourings are copies too, and unknown to the strategies.
        self.works = [planted.picture(work) for work in planted.TITLES + planted.WITH_CONTENT]

    def first(
        self, kind: str, prompts: Sequence[str], concepts: Sequence[str], seeds: int, first_seed: int
    ) -> FirstImages:
        """Draw first images.

        Args:
            kind: Of the prompts.
            prompts: The prompts.
            concepts: The concept of each prompt; empty for titles.
            seeds: Images of each prompt, at least 1.
            first_seed: The images' seeds count up from here.
        """
        repeated = list(prompts) * seeds
        numbers = np.arange(first_seed, first_seed + len(repeated))
        images = np.concatenate(
            [
                self._plain(repeated[batch], numbers[batch])
                for batch in tqdm(_batches(len(repeated)), f"{kind}, first images")
            ]
        )
        masks, usable = self.masks(images)
        return FirstImages(kind, repeated, list(concepts) * seeds, numbers, images, masks, usable, len(prompts))

    def masks(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masks of images, bool (n, H, W), and whether each can be used, bool (n,)."""
        segmented = segment(images, self.sam)
        return np.stack([mask.mask for mask in segmented]), np.array([mask.outcome == "ok" for mask in segmented])

    def second(
        self, strategies: Mapping[str, tuple[FirstImages, RegenerationSettings | None]]
    ) -> dict[str, SecondImages]:
        """Draw second images with every strategy; the planted works are its references.

        All strategies draw a batch before any draws the next one: a machine that becomes slower does so for all.

        Args:
            strategies: Name -> first images and settings; None is the plain sampler.
        """
        images: dict[str, list[np.ndarray]] = {name: [] for name in strategies}
        seconds: dict[str, list[float]] = {name: [] for name in strategies}
        longest = max((firsts for firsts, _ in strategies.values()), key=lambda firsts: len(firsts.prompts))
        for batch in tqdm(_batches(len(longest.prompts)), f"{longest.kind}, second images"):
            for name, (firsts, settings) in strategies.items():
                if batch.start < len(firsts.prompts):
                    started = time.process_time()
                    images[name].append(self._batch(firsts, batch, settings))
                    seconds[name].append((time.process_time() - started) / len(images[name][-1]))
        return {
            name: SecondImages(firsts, np.concatenate(images[name]), np.array(seconds[name]))
            for name, (firsts, _) in strategies.items()
        }

    def _batch(self, firsts: FirstImages, batch: slice, settings: RegenerationSettings | None) -> np.ndarray:
        seeds = firsts.seeds[batch] + SECOND_SEED_OFFSET
        if settings is None:
            return self._plain(firsts.prompts[batch], seeds)
        masks = np.where(firsts.usable[batch, None, None], firsts.masks[batch], True)
        return regenerate(
            self.pipeline,
            firsts.prompts[batch],
            firsts.images[batch],
            masks,
            seeds.tolist(),
            settings,
            self.generation,
            self.works,
            segment=RememberingSegmenter(lambda: self.sam).objects,
        )

    def _plain(self, prompts: Sequence[str], seeds: np.ndarray) -> np.ndarray:
        return generate(self.pipeline, list(prompts), seeds.tolist(), self.generation)


def _batches(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]
