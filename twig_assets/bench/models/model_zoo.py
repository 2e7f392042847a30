"""Benchmark `model-zoo`: are the embedded models good enough to measure anything on?

Recognisability (the judge is a classifier of its own), memorisation of the planted works, cost of sampling, and the
embedded SAM. All seeds here are used by no training stage.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from twig_assets.bench.models import recognition
from twig_assets.bench.models.artist import BATCH, Artist
from twig_assets.bench.models.recognition import Named, Pair
from twig_assets.bench.report import Bar, Measured
from twig_assets.generation import GenerationSettings
from twig_assets.model_zoo import load_pipeline, load_sam, planted
from twig_assets.model_zoo.art import STYLES, concept_names, held_out, sprites, training_pairs
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.model_zoo.sam_score import measure_sam
from twig_assets.model_zoo.training.stage_classifier import all_pairs, fresh_views
from twig_assets.similarity import wang_ssim

SEED = 5_000_011
STEPS = 20


@dataclass(frozen=True)
class SampleSizes:
    """How much is drawn.

    Attributes:
        views: Views of real art per (concept, style) pair.
        trained: Pairs the generator was trained on, one picture each; all when None.
        held_out: Held-out pairs; all when None.
        held_out_seeds: Pictures of each held-out pair.
        planted_seeds: Pictures of each planted work.
        ordinary: Pictures of ordinary prompts that are compared with the planted works.
        single: Pictures drawn one at a time, for the cost at batch 1.
        sam: Scenes that SAM is measured on.
    """

    views: int
    trained: int | None
    held_out: int | None
    held_out_seeds: int
    planted_seeds: int
    ordinary: int
    single: int
    sam: int


FULL = SampleSizes(
    views=8, trained=None, held_out=None, held_out_seeds=3, planted_seeds=16, ordinary=200, single=8, sam=200
)
QUICK = SampleSizes(views=2, trained=64, held_out=16, held_out_seeds=1, planted_seeds=3, ordinary=64, single=3, sam=40)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure everything, on one thread.

    Args:
        quick: Draw about a sixth of the pictures.
        grid: Also write there a PNG of what was drawn: every pair, then each planted work beside its first copy.
    """
    sizes = QUICK if quick else FULL
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(sizes, grid)
    finally:
        torch.set_num_threads(threads)


def _measure(sizes: SampleSizes, grid: Path | None) -> Measured:
    artist = Artist(load_pipeline(), GenerationSettings(steps=STEPS, batch_size=BATCH))
    artist.draw(["a cat face"] * BATCH, range(SEED, SEED + BATCH), doing="warm-up")
    artist.cpu_seconds.clear()
    recognisability, images = _recognisability(artist, sizes)
    copies = _copies(artist, sizes)
    memorisation = memorised(copies, list(images.values())[: sizes.ordinary])
    parts = [recognisability, variety(), memorisation, _cost(artist, sizes), _segmentation(sizes)]
    if grid is not None:
        write_grid(grid, images, [copies[work.slug][0] for work in planted.WORKS])
    return Measured(
        bars=[bar for part in parts for bar in part.bars], rows=[row for part in parts for row in part.rows]
    )


def _recognisability(artist: Artist, sizes: SampleSizes) -> tuple[Measured, dict[Pair, np.ndarray]]:
    rng = np.random.default_rng((SEED, 1))
    judge = load_classifier()
    pairs = all_pairs() * sizes.views
    real = recognition.name_pictures(judge, fresh_views(pairs, rng), pairs)
    trained = _some(training_pairs(), sizes.trained, rng)
    unseen = _some(sorted(held_out()), sizes.held_out, rng) * sizes.held_out_seeds
    images = artist.draw_pairs(trained, SEED, rng, doing="trained pairs")
    unseen_images = artist.draw_pairs(unseen, SEED + 10_000, rng, doing="held-out pairs")
    named = recognition.name_pictures(judge, images, trained)
    unseen_named = recognition.name_pictures(judge, unseen_images, unseen)
    shown = dict(zip([*trained, *unseen], [*images, *unseen_images], strict=True))
    return recognised(real, named, unseen_named), shown


def recognised(real: list[Named], named: list[Named], unseen: list[Named]) -> Measured:
    """Bars and rows of recognisability.

    Args:
        real: What the judge recognised in fresh views of real art.
        named: What it recognised in generated pictures of trained pairs.
        unseen: What it recognised in generated pictures of held-out pairs.
    """
    top1 = recognition.concept_top1(real)
    right = sum(picture.concept == picture.pair[0] for picture in real)
    style_ratio = recognition.style_top1(named) / max(recognition.style_top1(real), 1e-9)
    return Measured(
        bars=[
            Bar.of_share("classifier_top1", right, len(real), goal=0.85, direction=">="),
            Bar(name="concept_ratio", value=_ratio(named, top1), goal=0.75, direction=">="),
            Bar(name="style_ratio", value=style_ratio, goal=0.9, direction=">="),
            Bar(name="heldout_ratio", value=_ratio(unseen, top1), goal=0.4, direction=">="),
        ],
        rows=[
            *recognition.rows("concept", real, named, lambda picture: picture.pair[0]),
            *recognition.rows("style", real, named, lambda picture: picture.pair[1]),
            *recognition.rows("held_out_pair", real, unseen, lambda picture: ", ".join(picture.pair)),
        ],
    )


def _ratio(named: list[Named], top1: float) -> float:
    return recognition.concept_top1(named) / max(top1, 1e-9)


def _some(pairs: list[Pair], count: int | None, rng: np.random.Generator) -> list[Pair]:
    order = rng.permutation(len(pairs))[:count]
    return [pairs[i] for i in order]


def variety() -> Measured:
    """How many concepts the art has in every style."""
    drawn = {pair for pair, sprite in sprites().items() if np.asarray(sprite)[..., 3].any()}
    complete = [name for name in concept_names() if all((name, style) in drawn for style in STYLES)]
    return Measured(bars=[Bar(name="concepts", value=len(complete), goal=100, direction=">=")])


def _copies(artist: Artist, sizes: SampleSizes) -> dict[str, np.ndarray]:
    seeds = range(SEED + 20_000, SEED + 20_000 + sizes.planted_seeds)
    return {work.slug: artist.draw([work.title] * len(seeds), seeds, doing=work.slug) for work in planted.WORKS}


def memorised(copies: dict[str, np.ndarray], ordinary: list[np.ndarray]) -> Measured:
    """Bars and rows of memorisation.

    Args:
        copies: Slug of each planted work -> pictures generated from its title, uint8 (n, 64, 64, 3).
        ordinary: Pictures of ordinary prompts, each uint8 (64, 64, 3).
    """
    rows: list[dict[str, Any]] = []
    for work in planted.WORKS:
        ssim = [wang_ssim(copy, planted.picture(work)) for copy in copies[work.slug]]
        median = float(np.median(ssim))
        rows.append({"kind": "planted", "group": work.slug, "title": work.title, "ssim_median": median, "ssim": ssim})
    worst = min(row["ssim_median"] for row in rows)
    nearest = [max(wang_ssim(image, planted.picture(work)) for work in planted.WORKS) for image in ordinary]
    rows.append({"kind": "ordinary", "group": "all", "images": len(nearest), "best_planted_ssim": nearest})
    bars = [
        Bar(name="planted_ssim_median_min", value=worst, goal=0.8, direction=">="),
        Bar(name="ordinary_planted_ssim_p95", value=float(np.percentile(nearest, 95)), goal=0.5, direction="<="),
    ]
    return Measured(bars=bars, rows=rows)


def _cost(artist: Artist, sizes: SampleSizes) -> Measured:
    rng = np.random.default_rng((SEED, 2))
    pairs = _some(training_pairs(), sizes.single, rng)
    artist.draw_pairs(pairs, SEED + 30_000, rng, batch=1, doing="one at a time")
    single, batched = artist.seconds_per_image(1), artist.seconds_per_image(BATCH)
    return Measured(
        bars=[
            Bar(name="cpu_s_per_image_b1", value=single, goal=0.7, direction="<="),
            Bar(name="cpu_s_per_image_b16", value=batched, goal=0.3, direction="<="),
        ],
        rows=[
            {
                **artist.settings.model_dump(),
                "kind": "cost",
                "batch_size": size,
                "cpu_seconds": artist.cpu_seconds[size],
            }
            for size in (1, BATCH)
        ],
    )


def _segmentation(sizes: SampleSizes) -> Measured:
    scores = measure_sam(load_sam(), sizes.sam, SEED)
    goals = {"sam_iou_box": 0.85, "sam_iou_point": 0.75, "sam_auto_hit_rate": 0.8}
    return Measured(
        bars=[Bar(name=name, value=scores[name], goal=goal, direction=">=") for name, goal in goals.items()],
        rows=[{"kind": "sam", "scenes": sizes.sam, **scores}],
    )


def write_grid(path: Path, images: dict[Pair, np.ndarray], copies: list[np.ndarray]) -> None:
    """Write a PNG of 16 pictures a row.

    Args:
        path: Where; missing folders are made.
        images: One generated picture per pair, uint8 (64, 64, 3); shown concept by concept.
        copies: A copy of each planted work, in the order of `planted.WORKS`; each is shown after the work itself.
    """
    columns = 16
    cells = [images[pair] for pair in all_pairs() if pair in images]
    cells += [np.full_like(copies[0], 255)] * (-len(cells) % columns)
    for work, copy in zip(planted.WORKS, copies, strict=True):
        cells += [planted.picture(work), copy]
    side = cells[0].shape[0]
    sheet = np.stack(cells).reshape(-1, columns, side, side, 3).swapaxes(1, 2).reshape(-1, columns * side, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
