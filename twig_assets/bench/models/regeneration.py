"""Benchmark `regeneration`: does the second step avoid the first image, what does each strategy do, and at what cost?

Three kinds of prompts: the titles of planted works, which the generator has memorised and knows nothing else of; those
of planted works whose content it also knows otherwise; and ordinary ones. Each has a first image; each strategy, and
each control, makes a second one from another seed. No training stage uses these seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from twig_assets.bench.intervals import wilson
from twig_assets.bench.models.artist import plain_prompt
from twig_assets.bench.models.regeneration_figures import Figures
from twig_assets.bench.models.second_images import FirstImages, SecondImages, Studio
from twig_assets.bench.report import Bar, Direction, Measured
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import SIDE, training_pairs
from twig_assets.regeneration import RegenerationSettings

SEED = 7_000_003
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
        content_seeds: Seeds of each planted work with a content, for the same.
        others: Ordinary prompts, and at most as many titles, for every other strategy, from one seed.
        small: Ordinary prompts drawn at half of the size, once.
    """

    ordinary: int
    seeds: int
    planted_seeds: int
    content_seeds: int
    others: int
    small: int


FULL = SampleSizes(ordinary=100, seeds=8, planted_seeds=8, content_seeds=8, others=100, small=100)
QUICK = SampleSizes(ordinary=100, seeds=2, planted_seeds=4, content_seeds=3, others=16, small=16)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure everything, on one thread.

    Args:
        quick: Draw two seeds of each ordinary prompt and not eight, and a sixth for the other strategies.
        grid: Also write there a PNG: for some prompts, a row each of the first images and of every strategy's.
    """
    sizes, studio = QUICK if quick else FULL, Studio()
    figures = Figures(studio)
    rng = np.random.default_rng(SEED)
    pairs = training_pairs()
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[: sizes.ordinary]]
    prompts, concepts = [plain_prompt(pair, rng) for pair in chosen], [name for name, _ in chosen]
    titles = [work.title for work in planted.TITLES]
    asked, content = [work.title for work in planted.WITH_CONTENT], [str(w.concept) for w in planted.WITH_CONTENT]
    ordinary = studio.first("ordinary", prompts, concepts, sizes.seeds, SEED)
    works = studio.first("planted", titles, [], sizes.planted_seeds, SEED + 10_000)
    known = studio.first("content", asked, content, sizes.content_seeds, SEED + 30_000)
    rows: list[dict[str, Any]] = []
    shown: dict[str, np.ndarray] = {}
    for firsts in (ordinary, works, known):
        sets, plain = _second_images(studio, firsts, sizes)
        rows += [figures.row(name, seconds, plain) for name, seconds in sets.items()]
        shown |= {f"{firsts.kind}, {name}": seconds.images for name, seconds in sets.items()}
    rows += _half_size_rows(prompts[: sizes.small], concepts[: sizes.small])
    if grid is not None:
        write_grid(grid, {"ordinary": ordinary, "planted": works, "content": known}, shown)
    return Measured(bars=bars(rows), rows=rows)


def _second_images(
    studio: Studio, firsts: FirstImages, sizes: SampleSizes
) -> tuple[dict[str, SecondImages], np.ndarray]:
    """The second images of all strategies and controls by name, and the plain sampler's seconds of each batch."""
    few = firsts.part(min(sizes.others, firsts.per_seed))
    drawn = studio.second(
        {NEW_SEED: (firsts, None), AUTO: (firsts, RegenerationSettings())}
        | {name: (few, settings) for name, settings in STRATEGIES.items()}
    )
    sets = {name: drawn[name] for name in (NEW_SEED, AUTO)} | {SAME_SEED: SecondImages(firsts, firsts.images)}
    sets |= {name: SecondImages(few, changed(few.images, name)) for name in CONTROLS} | drawn
    return sets, drawn[NEW_SEED].seconds


def _half_size_rows(prompts: Sequence[str], concepts: Sequence[str]) -> list[dict[str, Any]]:
    studio = Studio(SIDE // 2)
    figures = Figures(studio)
    firsts = studio.first("ordinary, half size", prompts, concepts, 1, SEED + 20_000)
    drawn = studio.second({NEW_SEED: (firsts, None), AUTO: (firsts, RegenerationSettings())})
    return [figures.row(name, seconds, drawn[NEW_SEED].seconds) for name, seconds in drawn.items()]


def changed(images: np.ndarray, control: str) -> np.ndarray:
    """Changed copies of first images: they have a lower SSIM, and are copies all the same.

    Args:
        images: uint8 (n, H, W, 3).
        control: `blur` (sigma 2 px), `noise` (sigma 25 grey levels) or `mirror`.

    Returns:
        uint8 (n, H, W, 3).
    """
    if control == "mirror":
        return np.ascontiguousarray(images[:, :, ::-1])
    pixels = images.astype(np.float32)
    if control == "blur":
        pixels = gaussian_filter(pixels, (0, 2, 2, 0))
    else:
        pixels += np.random.default_rng(SEED).normal(0, 25, images.shape)
    return pixels.round().clip(0, 255).astype(np.uint8)


def bars(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """The bars, from the rows of `auto`, of a new seed only and of the first images themselves."""
    by_key = {(row["kind"], row["strategy"]): row for row in rows}
    auto, new = by_key["ordinary", AUTO], by_key["ordinary", NEW_SEED]
    content = by_key["content", AUTO]
    location = auto["location_iou"] / new["location_iou"]
    distance = float(np.mean(auto["kid_per_seed_set"]) / np.mean(new["kid_per_seed_set"]))
    return [
        _copy_share("planted_copy_share_plain", by_key["planted", SAME_SEED], 0.8, ">="),
        _copy_share("planted_copy_share_auto", by_key["planted", AUTO], 0.02, "<="),
        _copy_share("planted_copy_share_new_seed", by_key["planted", NEW_SEED], 0.6, ">="),
        _copy_share("content_copy_share_plain", by_key["content", SAME_SEED], 0.8, ">="),
        _copy_share("content_copy_share_auto", content, 0.02, "<="),
        _share("content_concept_share_auto", content["as_asked_share"], content["n"], 0.7, ">="),
        Bar(name="location_iou_ratio", value=location, goal=0.6, direction="<="),
        Bar(name="top1_drop", value=new["top1"] - auto["top1"], goal=0.05, direction="<="),
        Bar(name="cost_ratio", value=auto["cost_ratio"], goal=1.3, direction="<="),
        Bar(name="kid_ratio", value=distance, goal=1.1, direction="<="),
    ]


def _copy_share(name: str, row: dict[str, Any], goal: float, direction: Direction) -> Bar:
    return _share(name, row["fail_share"], row["n"], goal, direction)


def _share(name: str, share: float, images: int, goal: float, direction: Direction) -> Bar:
    interval = wilson(round(share * images), images)
    return Bar(name=name, value=share, goal=goal, direction=direction, interval=interval)


def write_grid(path: Path, firsts: dict[str, FirstImages], shown: dict[str, np.ndarray], columns: int = 8) -> None:
    """Write a PNG: for each kind of prompt a row of first images, one of their masked parts, one per strategy.

    Args:
        path: Where; missing folders are made.
        firsts: Kind -> first images.
        shown: `kind, strategy` -> second images, uint8 (n, H, W, 3).
        columns: Images in a row.
    """
    rows = []
    for kind, images in firsts.items():
        mask = images.masks[:columns, ..., None]
        rows += [images.images[:columns], np.where(mask, images.images[:columns], 255)]
        rows += [seconds[:columns] for name, seconds in shown.items() if name.startswith(f"{kind}, ")]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path)
