"""Benchmark `regeneration`: does the second step avoid the first image, what does each strategy do, and at what cost?

Two kinds of prompts: the titles of the eight planted works, which the generator knows by heart, and ordinary ones. Each
has a first image; each strategy, and each control, makes a second one from another seed. All seeds here are used by no
training stage.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from twig_assets.bench.models.artist import BATCH, plain_prompt
from twig_assets.bench.models.distance import fid, kid, unbiased_kid
from twig_assets.bench.report import Bar, Measured
from twig_assets.generation import GenerationSettings, generate
from twig_assets.model_zoo import load_clip, load_pipeline, load_sam, planted
from twig_assets.model_zoo.art import SIDE, training_pairs
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.regeneration import RegenerationSettings, compare, regenerate
from twig_assets.segmentation import segment
from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit

SEED = 7_000_003
# The thresholds of the demo campaign, which are stricter than the defaults; the detectors' are the defaults.
POLICY = Policy(ssim_threshold=0.5, masked_ssim_threshold=0.5, review_margin=0.1)
AUTO, NEW_SEED, SAME_SEED = "auto", "new seed", "same seed"
STRATEGIES: dict[str, RegenerationSettings] = {
    "move": RegenerationSettings(strategy="move"),
    "vacate": RegenerationSettings(strategy="vacate"),
    "repel": RegenerationSettings(strategy="repel"),
    "suppress": RegenerationSettings(strategy="suppress"),
    "relocate": RegenerationSettings(strategy="relocate"),
    "references": RegenerationSettings(strategy="references"),
    "forget": RegenerationSettings(strategy="forget"),
    "delay": RegenerationSettings(strategy="delay", delay_scale=0.0, delay_until=0.5),
    "opposite": RegenerationSettings(strategy="delay", delay_until=0.5),
}
CONTROLS = ("blur", "noise", "mirror")


@dataclass(frozen=True)
class SampleSizes:
    """How much is drawn.

    Attributes:
        ordinary: Ordinary prompts.
        seeds: Seeds of each ordinary prompt, for `auto` and for a new seed only.
        planted_seeds: Seeds of each planted title, for the same.
        others: Ordinary prompts, and at most as many titles, for every other strategy, from one seed.
        small: Ordinary prompts drawn at half of the size, once.
    """

    ordinary: int
    seeds: int
    planted_seeds: int
    others: int
    small: int


FULL = SampleSizes(ordinary=100, seeds=8, planted_seeds=8, others=100, small=100)
QUICK = SampleSizes(ordinary=100, seeds=2, planted_seeds=4, others=16, small=16)


@dataclass(frozen=True)
class Firsts:
    """First images and what they were drawn from; n of each, seed by seed.

    Attributes:
        kind: `ordinary` or `planted`.
        prompts: n prompts.
        concepts: What each shows, for the classifier; empty for planted works.
        seeds: The first image's seeds; the second image's is OTHER more.
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

    def part(self, count: int) -> "Firsts":
        """The first `count` of them."""
        arrays = (self.seeds[:count], self.images[:count], self.masks[:count], self.usable[:count])
        prompts, concepts = self.prompts[:count], self.concepts[:count]
        return Firsts(self.kind, prompts, concepts, *arrays, min(self.per_seed, count))


@dataclass(frozen=True)
class SecondImages:
    """A set of second images, and what they took.

    Attributes:
        of: The first images.
        images: uint8 (n, H, W, 3).
        seconds: Processor seconds per image, of each batch; empty for images that were not drawn for it.
    """

    of: Firsts
    images: np.ndarray
    seconds: np.ndarray = field(default_factory=lambda: np.empty(0))

    def cost_ratio(self, plain: np.ndarray) -> float | None:
        """Median over the batches, of what they took over what the plain sampler took for the same ones."""
        return float(np.median(self.seconds / plain[: len(self.seconds)])) if len(self.seconds) else None


OTHER = 50_000


class Studio:
    """The models, and everything that is measured on a set of second images."""

    def __init__(self, side: int = SIDE) -> None:
        """Open the models; side: of the images, in pixels."""
        self.pipeline, self.sam, self.judge = load_pipeline(), load_sam(), load_classifier()
        self.clip, self.processor = load_clip()
        self.generation = GenerationSettings(batch_size=BATCH, height=side, width=side)
        self.works = [planted.picture(work) for work in planted.WORKS]
        self.references = [
            ReferenceImage(Path(work.slug), work.title, "", "", work.slug, planted.picture(work))
            for work in planted.WORKS
        ]
        self.index = ReferenceIndex(self.works)

    def firsts(self, kind: str, prompts: Sequence[str], concepts: Sequence[str], seeds: int, start: int) -> Firsts:
        """First images of every prompt from `seeds` seeds each."""
        asked = list(prompts) * seeds
        numbers = np.arange(start, start + len(asked))
        images = np.concatenate(
            [self._plain(asked[batch], numbers[batch]) for batch in tqdm(_batches(len(asked)), f"{kind}, first images")]
        )
        found = segment(images, self.sam)
        usable = np.array([one.outcome == "ok" for one in found])
        masks = np.stack([one.mask for one in found])
        return Firsts(kind, asked, list(concepts) * seeds, numbers, images, masks, usable, len(prompts))

    def second(self, strategies: Mapping[str, tuple[Firsts, RegenerationSettings | None]]) -> dict[str, SecondImages]:
        """The images of every strategy, with the planted works as its references; None is the plain sampler.

        A batch is drawn by all strategies before the next one is: a machine that becomes slower does so for all.
        """
        images: dict[str, list[np.ndarray]] = {name: [] for name in strategies}
        seconds: dict[str, list[float]] = {name: [] for name in strategies}
        longest = max((of for of, _ in strategies.values()), key=lambda of: len(of.prompts))
        for batch in tqdm(_batches(len(longest.prompts)), f"{longest.kind}, second images"):
            for name, (of, settings) in strategies.items():
                if batch.start < len(of.prompts):
                    began = time.process_time()
                    images[name].append(self._batch(of, batch, settings))
                    seconds[name].append((time.process_time() - began) / len(images[name][-1]))
        return {
            name: SecondImages(of, np.concatenate(images[name]), np.array(seconds[name]))
            for name, (of, _) in strategies.items()
        }

    def _batch(self, of: Firsts, batch: slice, settings: RegenerationSettings | None) -> np.ndarray:
        seeds = of.seeds[batch] + OTHER
        if settings is None:
            return self._plain(of.prompts[batch], seeds)
        masks = np.where(of.usable[batch, None, None], of.masks[batch], True)
        return regenerate(
            self.pipeline,
            of.prompts[batch],
            of.images[batch],
            masks,
            seeds.tolist(),
            settings,
            self.generation,
            self.works,
        )

    def _plain(self, prompts: Sequence[str], seeds: np.ndarray) -> np.ndarray:
        return generate(self.pipeline, list(prompts), seeds.tolist(), self.generation)

    def row(self, strategy: str, made: SecondImages, plain: np.ndarray) -> dict[str, Any]:
        """All figures of one set of second images; plain: what the plain sampler took, batch by batch."""
        firsts, images = made.of, made.images
        found = segment(images, self.sam)
        usable = np.array([one.outcome == "ok" for one in found])
        masks = np.stack([one.mask for one in found])
        row: dict[str, Any] = {
            "kind": firsts.kind,
            "strategy": strategy,
            "n": len(images),
            "side": images.shape[1],
            "cpu_seconds_per_image": float(np.median(made.seconds)) if len(made.seconds) else None,
            "cost_ratio": made.cost_ratio(plain),
        }
        firsts_masks = firsts.masks & firsts.usable[:, None, None]
        row |= compare(firsts.images, images, firsts_masks, masks & usable[:, None, None])
        row |= self._clip_score(firsts, images)
        row |= self._copies(images, masks & usable[:, None, None])
        return row | (self._ordinary(firsts, images) if firsts.concepts else {})

    def _copies(self, images: np.ndarray, masks: np.ndarray) -> dict[str, Any]:
        results = audit(images, self.references, POLICY, masks=masks, index=self.index)
        verdicts = [one.verdict for one in results]
        scores = [one.scores["ssim"] or 0.0 for one in results]
        shares = {
            f"{verdict}_share": verdicts.count(verdict) / len(verdicts)
            for verdict in ("fail", "review", "inconclusive")
        }
        return {**shares, "ssim_work_mean": float(np.mean(scores)), "ssim_work_max": max(scores)}

    def _clip_score(self, firsts: Firsts, images: np.ndarray) -> dict[str, Any]:
        given = self.processor(text=firsts.prompts, images=list(images), return_tensors="pt", padding=True)
        with torch.no_grad():
            out = self.clip(**given)
        return {"clip_score": float(torch.cosine_similarity(out.image_embeds, out.text_embeds).mean())}

    def _ordinary(self, firsts: Firsts, images: np.ndarray) -> dict[str, Any]:
        firsts_seen, seen = self.features(firsts.images), self.features(images)
        concepts, _ = self.judge.classify(_at_side(images))
        named = [self.judge.concepts[i] for i in concepts.argmax(1)]
        sets = [slice(at, at + firsts.per_seed) for at in range(0, len(images), firsts.per_seed)]
        between = np.array([[kid(seen[one], firsts_seen[other]) for other in sets] for one in sets])
        return {
            "top1": float(np.mean([a == b for a, b in zip(named, firsts.concepts, strict=True)])),
            "kid_per_seed_set": between.mean(1).tolist(),
            "kid_to_own_firsts": np.diag(between).tolist(),
            "kid_unbiased": unbiased_kid(seen, firsts_seen),
            "fid": fid(seen, firsts_seen),
            "kid_n": firsts.per_seed,
            "fid_n": len(images),
        }

    def features(self, images: np.ndarray) -> np.ndarray:
        """The classifier's features, (n, 384)."""
        return self.judge.features(_at_side(images))


def _batches(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]


def _at_side(images: np.ndarray) -> np.ndarray:
    if images.shape[1:3] == (SIDE, SIDE):
        return images
    return np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in images])


def changed(images: np.ndarray, control: str) -> np.ndarray:
    """First images blurred (sigma 2 px), with noise (sigma 25 grey levels) or mirrored: they lower SSIM, and copy."""
    if control == "mirror":
        return np.ascontiguousarray(images[:, :, ::-1])
    pixels = images.astype(np.float32)
    if control == "blur":
        pixels = gaussian_filter(pixels, (0, 2, 2, 0))
    else:
        pixels += np.random.default_rng(SEED).normal(0, 25, images.shape)
    return pixels.round().clip(0, 255).astype(np.uint8)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure everything, on one thread.

    Args:
        quick: Draw two seeds of each ordinary prompt and not eight, and a sixth for the other strategies.
        grid: Also write there a PNG: for some prompts, a row each of the first images and of every strategy's.
    """
    sizes, studio = QUICK if quick else FULL, Studio()
    rng = np.random.default_rng(SEED)
    pairs = training_pairs()
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[: sizes.ordinary]]
    prompts, concepts = [plain_prompt(pair, rng) for pair in chosen], [name for name, _ in chosen]
    titles = [work.title for work in planted.WORKS]
    ordinary = studio.firsts("ordinary", prompts, concepts, sizes.seeds, SEED)
    works = studio.firsts("planted", titles, [], sizes.planted_seeds, SEED + 10_000)
    rows: list[dict[str, Any]] = []
    shown: dict[str, np.ndarray] = {}
    for firsts in (ordinary, works):
        rows += _rows(studio, firsts, sizes, shown)
    rows += _at_half_size(prompts[: sizes.small], concepts[: sizes.small])
    if grid is not None:
        write_grid(grid, {"ordinary": ordinary, "planted": works}, shown)
    return Measured(bars=bars(rows), rows=rows)


def _rows(studio: Studio, firsts: Firsts, sizes: SampleSizes, shown: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    few = firsts.part(min(sizes.others, firsts.per_seed))
    drawn = studio.second(
        {NEW_SEED: (firsts, None), AUTO: (firsts, RegenerationSettings())}
        | {name: (few, settings) for name, settings in STRATEGIES.items()}
    )
    made = {name: drawn[name] for name in (NEW_SEED, AUTO)} | {SAME_SEED: SecondImages(firsts, firsts.images)}
    made |= {name: SecondImages(few, changed(few.images, name)) for name in CONTROLS} | drawn
    shown |= {f"{firsts.kind}, {name}": one.images for name, one in made.items()}
    return [studio.row(name, one, drawn[NEW_SEED].seconds) for name, one in made.items()]


def _at_half_size(prompts: Sequence[str], concepts: Sequence[str]) -> list[dict[str, Any]]:
    studio = Studio(SIDE // 2)
    firsts = studio.firsts("ordinary, half size", prompts, concepts, 1, SEED + 20_000)
    drawn = studio.second({NEW_SEED: (firsts, None), AUTO: (firsts, RegenerationSettings())})
    return [studio.row(name, one, drawn[NEW_SEED].seconds) for name, one in drawn.items()]


def bars(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """The bars, from the rows of `auto`, of a new seed only and of the first images themselves."""
    by = {(row["kind"], row["strategy"]): row for row in rows}
    auto, new = by["ordinary", AUTO], by["ordinary", NEW_SEED]
    location = auto["location_iou"] / new["location_iou"]
    distance = float(np.mean(auto["kid_per_seed_set"]) / np.mean(new["kid_per_seed_set"]))
    values: list[tuple[str, float, float, Any]] = [
        ("planted_copy_share_plain", by["planted", SAME_SEED]["fail_share"], 0.8, ">="),
        ("planted_copy_share_auto", by["planted", AUTO]["fail_share"], 0.02, "<="),
        ("planted_copy_share_new_seed", by["planted", NEW_SEED]["fail_share"], 0.6, ">="),
        ("location_iou_ratio", location, 0.6, "<="),
        ("top1_drop", new["top1"] - auto["top1"], 0.05, "<="),
        ("cost_ratio", auto["cost_ratio"], 1.3, "<="),
        ("kid_ratio", distance, 1.1, "<="),
    ]
    return [Bar(name=name, value=value, goal=goal, direction=direction) for name, value, goal, direction in values]


def write_grid(path: Path, firsts: dict[str, Firsts], shown: dict[str, np.ndarray], columns: int = 8) -> None:
    """Write a PNG: for each kind of prompt a row of first images, one of their masked parts, one per strategy."""
    rows = []
    for kind, of in firsts.items():
        mask = of.masks[:columns, ..., None]
        rows += [of.images[:columns], np.where(mask, of.images[:columns], 255)]
        rows += [images[:columns] for name, images in shown.items() if name.startswith(f"{kind}, ")]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path)
