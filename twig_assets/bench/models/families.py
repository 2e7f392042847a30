"""Benchmark `families`: does what was built on a diffusion's U-Net hold on a flow-matching transformer?

Both embedded generators draw the same prompts, lose the same six concepts, and draw second images of the same first
prompts, from the same seeds, which no training stage uses. The bars are the transformer's; the rows have both.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image

from twig_assets.ablation import AblationSettings, EvaluationSettings, ablate, evaluate
from twig_assets.ablation.evaluation.copies import copies_of
from twig_assets.ablation.evaluation.evaluate import Unedited
from twig_assets.bench.intervals import wilson
from twig_assets.bench.models import recognition
from twig_assets.bench.models.ablation_rows import POLICY, figures
from twig_assets.bench.models.ablation_tasks import QUICK, Task, tasks
from twig_assets.bench.models.artist import BATCH, Artist, plain_prompt
from twig_assets.bench.models.regeneration_figures import Figures
from twig_assets.bench.models.second_images import SecondImages, Studio
from twig_assets.bench.report import Bar, Measured
from twig_assets.generation import GenerationSettings, Pipeline, fingerprint, generate
from twig_assets.judge.clip import Clip
from twig_assets.model_zoo import load_clip, load_pipeline, planted
from twig_assets.model_zoo.art import training_pairs
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.model_zoo.training.stage_classifier import all_pairs, fresh_views
from twig_assets.regeneration import RegenerationSettings, regenerate

SEED = 11_000_003
FLOW: Literal["flow"] = "flow"
DIFFUSION: Literal["diffusion"] = "diffusion"
METHODS: tuple[Literal["fast", "closed_form"], ...] = ("fast", "closed_form")
AUTO, NEW_SEED, FIRST = "auto", "new seed", "first images"
# As in the benchmark `ablation`.
_ABLATION_STEPS = 12
_log = logging.getLogger(__name__)
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class SampleSizes:
    """How much is drawn by each model.

    Attributes:
        views: Views of real art per (concept, style) pair.
        pairs: Trained pairs, one image each.
        target: Images of what an edit removes.
        surrounding: Images of its anchor and of each surrounding concept; a style's subjects share them.
        ordinary: Ordinary prompts that are drawn a second time.
        seeds: Seeds of each.
        planted_seeds: Seeds of each memorised title.
    """

    views: int
    pairs: int
    target: int
    surrounding: int
    ordinary: int
    seeds: int
    planted_seeds: int


FULL = SampleSizes(views=2, pairs=128, target=16, surrounding=8, ordinary=40, seeds=2, planted_seeds=4)
SMALL = SampleSizes(views=1, pairs=32, target=8, surrounding=4, ordinary=16, seeds=1, planted_seeds=2)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure both generators, on one thread.

    Args:
        quick: Draw about a quarter of the images, and take two of the six concepts.
        grid: Also write there a PNG: rows of the flow's images, above each the diffusion's of the same prompts.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured(SMALL if quick else FULL, grid, quick)
    finally:
        torch.set_num_threads(threads)


def _measured(sizes: SampleSizes, grid: Path | None, quick: bool) -> Measured:
    chosen = [task for task in tasks() if task.name in (("racing-car", "letter") if quick else QUICK)]
    rows = [_real_art(sizes)]
    shown: list[np.ndarray] = []
    for model in (FLOW, DIFFUSION):
        pipeline = load_pipeline(model)
        row, images = _drawn(model, pipeline, sizes)
        rows.append(row)
        rows += _ablations(model, pipeline, chosen, sizes)
        second, seconds = _second_images(model, pipeline, sizes)
        rows += second
        shown += [images[:32], seconds[:32]]
        if model == FLOW:
            rows.append(_strength_zero(pipeline))
    if grid is not None:
        write_grid(grid, shown)
    return Measured(bars=bars(rows), rows=rows)


def _real_art(sizes: SampleSizes) -> Row:
    rng = np.random.default_rng((SEED, 1))
    pairs = all_pairs() * sizes.views
    named = recognition.name_pictures(load_classifier(), fresh_views(pairs, rng), pairs)
    return _recognised("real art", named)


def _recognised(model: str, named: Sequence[recognition.Named]) -> Row:
    return {
        "kind": "recognition",
        "model": model,
        "n": len(named),
        "concept_top1": recognition.concept_top1(named),
        "style_top1": recognition.style_top1(named),
    }


def _drawn(model: str, pipeline: Pipeline, sizes: SampleSizes) -> tuple[Row, np.ndarray]:
    """How often the classifier names what plain images show; and the images."""
    rng = np.random.default_rng((SEED, 2))
    known = training_pairs()
    pairs = [known[i] for i in rng.permutation(len(known))[: sizes.pairs]]
    artist = Artist(pipeline, GenerationSettings(batch_size=BATCH))
    images = artist.draw_pairs(pairs, SEED, rng, doing=f"{model}, trained pairs")
    row = _recognised(model, recognition.name_pictures(load_classifier(), images, pairs))
    return row | {"cpu_seconds_per_image": artist.seconds_per_image(BATCH)}, images


def settings_of(method: Literal["fast", "closed_form"], task: Task, sizes: SampleSizes) -> AblationSettings:
    """The settings of a method for a task; other spellings of the target are the benchmark `ablation`'s."""
    shared = max(1, len(task.concept.subjects))
    judged = EvaluationSettings(
        samples=sizes.target,
        surrounding_samples=-(-sizes.surrounding // shared),
        variants=0,
        adversarial_samples=0,
        unrelated=(),
        first_seed=SEED + 20_000,
    )
    return AblationSettings(method=method, evaluation=judged)


def _ablations(model: str, pipeline: Pipeline, chosen: Sequence[Task], sizes: SampleSizes) -> Iterator[Row]:
    """Rows of the transformer's methods, or of the U-Net's first; both are judged beside the same unedited images."""
    base, clip = fingerprint(pipeline), load_clip()
    for task in chosen:
        unedited: Unedited = {}
        for method in METHODS if model == FLOW else METHODS[:1]:
            _log.warning("%s, %s: %s", model, method, task.name)
            settings = settings_of(method, task, sizes)
            yield _ablated(model, pipeline, base, clip, task, settings, unedited)


def _ablated(
    model: str,
    pipeline: Pipeline,
    base: str,
    clip: Clip,
    task: Task,
    settings: AblationSettings,
    unedited: Unedited,
) -> Row:
    started = time.process_time()
    edit = ablate(pipeline, task.concept, settings, base)
    seconds = time.process_time() - started
    evaluation = evaluate(
        pipeline,
        edit,
        clip,
        GenerationSettings(batch_size=BATCH, steps=_ABLATION_STEPS),
        copies={task.name: copies_of(planted.picture(task.work), POLICY)} if task.work else None,
        unedited=unedited,
    )
    row = figures(evaluation)
    return {
        "kind": "ablation",
        "model": model,
        "method": settings.method,
        "task": task.name,
        "n": evaluation.samples,
        "cpu_seconds": seconds,
        "left": (row["copy_share"] or row["target_share"])["value"],
        "left_before": row["target_accuracy_before"] if row["copies_before"] is None else row["copies_before"],
        "surrounding_drop": row["surrounding_drop"]["value"],
        "surrounding_accuracy_before": row["surrounding_accuracy_before"],
    }


def _second_images(model: str, pipeline: Pipeline, sizes: SampleSizes) -> tuple[list[Row], np.ndarray]:
    """Rows of the first images, of a new seed's and of `auto`'s; and the last of ordinary prompts and titles."""
    studio = Studio(pipeline=pipeline)
    judged = Figures(studio)
    rng = np.random.default_rng((SEED, 3))
    known = training_pairs()
    pairs = [known[i] for i in rng.permutation(len(known))[: sizes.ordinary]]
    prompts = [plain_prompt(pair, rng) for pair in pairs]
    titles = [work.title for work in planted.TITLES]
    kinds = [
        studio.first("ordinary", prompts, [name for name, _ in pairs], sizes.seeds, SEED + 30_000),
        studio.first("planted", titles, [], sizes.planted_seeds, SEED + 40_000),
    ]
    rows, images = [], []
    for firsts in kinds:
        drawn = studio.second({NEW_SEED: (firsts, None), AUTO: (firsts, RegenerationSettings())})
        sets = drawn | ({FIRST: SecondImages(firsts, firsts.images)} if firsts.kind == "planted" else {})
        for name, seconds in sets.items():
            rows.append({"model": model, **judged.row(name, seconds, drawn[NEW_SEED].seconds)})
        images.append(drawn[AUTO].images[:16])
    return rows, np.concatenate(images)


def _strength_zero(pipeline: Pipeline) -> Row:
    """How many bytes of second images with strength 0 are not the plain sampler's."""
    prompts = [planted.TITLES[0].title, "a red apple, noto style on a blue background"]
    seeds, generation = [SEED, SEED + 1], GenerationSettings(batch_size=BATCH)
    plain = generate(pipeline, prompts, seeds, generation)
    off = RegenerationSettings(strength=0)
    second = regenerate(pipeline, prompts, plain, np.ones(plain.shape[:3], bool), seeds, off, generation)
    return {"kind": "strength 0", "model": FLOW, "n": len(plain), "different_bytes": int((plain != second).sum())}


def bars(rows: Sequence[Row]) -> list[Bar]:
    """The transformer's bars, from the rows."""
    own = [row for row in rows if row["model"] == FLOW]
    recognised = {row["model"]: row for row in rows if row["kind"] == "recognition"}
    of_real_art = max(recognised["real art"]["concept_top1"], 1e-9)
    drawn = recognised[FLOW]
    # Real art is named right but for a thousandth, so that only the drawn images' chance matters.
    low, high = (bound / of_real_art for bound in wilson(round(drawn["concept_top1"] * drawn["n"]), drawn["n"]))
    second = {(row["kind"], row["strategy"]): row for row in own if "strategy" in row}
    auto, new = second["ordinary", AUTO], second["ordinary", NEW_SEED]
    copies, plain = second["planted", AUTO], second["planted", FIRST]
    (off,) = (row for row in own if row["kind"] == "strength 0")
    return [
        Bar(
            name="flow_concept_ratio",
            value=drawn["concept_top1"] / of_real_art,
            goal=0.7,
            direction=">=",
            interval=(low, high),
        ),
        *_ablation_bars([row for row in own if row["kind"] == "ablation"]),
        Bar.of_share("flow_planted_copy_share_plain", _count(plain), plain["n"], goal=0.8, direction=">="),
        Bar.of_share("flow_planted_copy_share_auto", _count(copies), copies["n"], goal=0.02, direction="<="),
        Bar(
            name="flow_location_iou_ratio",
            value=auto["location_iou"] / max(new["location_iou"], 1e-9),
            goal=0.7,
            direction="<=",
        ),
        Bar(name="flow_top1_drop", value=new["top1"] - auto["top1"], goal=0.05, direction="<="),
        Bar(name="flow_strength_0_different_bytes", value=off["different_bytes"], goal=0, direction="<="),
    ]


def _count(row: Row) -> int:
    return round(row["fail_share"] * row["n"])


def _ablation_bars(rows: Sequence[Row]) -> list[Bar]:
    """Of the method that removes all concepts, and of those the one that harms least; both figures are its own."""
    worst = {
        method: (max(row["left"] for row in done), max(row["surrounding_drop"] for row in done))
        for method in METHODS
        if (done := [row for row in rows if row["method"] == method])
    }
    left, drop = min(worst.values(), key=lambda figures: (figures[0] > 0.1, figures[1]))
    return [
        Bar(name="flow_target_accuracy_max", value=left, goal=0.1, direction="<="),
        Bar(name="flow_surrounding_drop_max", value=drop, goal=0.05, direction="<="),
    ]


def write_grid(path: Path, strips: Sequence[np.ndarray], columns: int = 16) -> None:
    """Write a PNG of strips of images, each uint8 (n, H, W, 3), one below the other; missing folders are made."""
    rows = []
    for images in strips:
        padded = np.concatenate([images, np.full((-len(images) % columns, *images.shape[1:]), 255, np.uint8)])
        rows += [np.concatenate(list(row), axis=1) for row in padded.reshape(-1, columns, *images.shape[1:])]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)
