"""Benchmark `moves`: does the strategy `move` work on scenes, and can what it leaves bare be looked at?

Every image is a scene whose object is known: drawings pasted by their silhouettes on photographs and on busy grounds,
and scenes that the generator draws itself. Each is moved off a shape in the middle of the frame, once by its colour
alone, as where there is no segmenter, and once by a mask: on photographs by the one that it was pasted with, since the
embedded segmenter knows drawings only; elsewhere by the embedded segmenter's.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.bench.audit.photographs import crops, samples
from twig_assets.bench.models.seams import mirror_likeness, seam_ratio
from twig_assets.bench.report import Bar, Measured
from twig_assets.generation import GenerationSettings, family_of, generate
from twig_assets.model_zoo import load_pipeline, load_sam, planted
from twig_assets.model_zoo.art import SIDE
from twig_assets.model_zoo.scenes import ground, held_out_concepts, pasted
from twig_assets.regeneration import RegenerationSettings, iou
from twig_assets.regeneration.moving import Move, shifted
from twig_assets.regeneration.objects import Segment, find_objects
from twig_assets.regeneration.strategies.move import Move as MoveStrategy
from twig_assets.regeneration.strategy import Batch
from twig_assets.segmentation import RememberingSegmenter

SEED = 8_100_009
PHOTOGRAPHS, BUSY, OWN, PLAIN = "photographs", "busy grounds", "the model's own scenes", "plain grounds"


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images whose object is known.

    Attributes:
        kind: What they are.
        images: uint8 (n, H, W, 3).
        objects: Their objects, bool (n, H, W).
        segment: What gives masks of them.
    """

    kind: str
    images: np.ndarray
    objects: np.ndarray
    segment: Segment


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure everything.

    Args:
        quick: Take a third of the images of every kind.
        grid: Also write there a PNG: a column for each image, with what it was moved off and what became of it.
    """
    each, rng = 13 if quick else 39, np.random.default_rng(SEED)
    pipeline, segmenter = load_pipeline(), RememberingSegmenter(load_sam)
    generation = GenerationSettings(batch_size=16)
    kinds = [
        on_grounds(PHOTOGRAPHS, crops(samples(), each, SIDE, SEED).astype(np.float32), rng, None),
        on_grounds(BUSY, np.stack([busy_ground(rng) for _ in range(each)]), rng, segmenter.objects),
        own_scenes(pipeline, generation, each, segmenter.objects),
        on_grounds(PLAIN, np.full((each, SIDE, SIDE, 3), 235, np.float32), rng, segmenter.objects),
    ]
    rows, strips = [], []
    for scenes in kinds:
        avoided = np.stack(
            [middle(pasted(np.zeros((SIDE, SIDE, 3)), rng, _names(), 0.62).masks[0]) for _ in scenes.images]
        )
        row, strip = _measured(pipeline, generation, scenes, avoided)
        rows.append(row)
        strips.append(strip)
    if grid is not None:
        grid.parent.mkdir(parents=True, exist_ok=True)
        sheet = Image.fromarray(np.concatenate([strip[:, : 13 * SIDE] for strip in strips]))
        sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST).save(grid)
    return Measured(bars=bars(rows), rows=rows)


def on_grounds(kind: str, grounds: np.ndarray, rng: np.random.Generator, segment: Segment | None) -> Scenes:
    """A drawing pasted on each ground, float (n, SIDE, SIDE, 3); without a segmenter its mask is its silhouette."""
    made = [pasted(behind, rng, _names(), rng.uniform(0.4, 0.6)) for behind in grounds]
    images, objects = np.stack([scene.image for scene in made]), np.stack([scene.masks[0] for scene in made])
    return Scenes(kind, images, objects, segment or _given(images, objects))


def own_scenes(pipeline: Any, generation: GenerationSettings, count: int, segment: Segment) -> Scenes:
    """Scenes that the generator draws, of the works it was trained on; their objects are the segmenter's."""
    titles = [work.title for work in planted.WORKS + planted.WITH_CONTENT]
    prompts = [titles[i % len(titles)] for i in range(count)]
    images = generate(pipeline, prompts, list(range(SEED, SEED + count)), generation)
    return Scenes(OWN, images, segment(images), segment)


def busy_ground(rng: np.random.Generator) -> np.ndarray:
    """A shaded, clouded or patterned ground, float (SIDE, SIDE, 3), that does not count as plain."""
    while True:
        pixels = ground(rng).clip(0, 255)
        if not find_objects(pixels[None].astype(np.uint8), None, RegenerationSettings().plain).plain[0]:
            return pixels


def middle(shape: np.ndarray) -> np.ndarray:
    """A shape, bool (H, W), in the middle of the frame, where most first images have theirs."""
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    down, right = (side - 1 - line[0] - line[-1] for side, line in zip(shape.shape, (rows, columns), strict=True))
    return shifted(shape, down // 2, right // 2)


def _given(images: np.ndarray, objects: np.ndarray) -> Segment:
    known = {image.tobytes(): shape for image, shape in zip(images, objects, strict=True)}
    return lambda asked: np.stack([known[image.tobytes()] for image in asked])


def _names() -> list[str]:
    return sorted(held_out_concepts())


def _measured(
    pipeline: Any, generation: GenerationSettings, scenes: Scenes, avoided: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """The figures of one kind, and a strip of pictures.

    From the top of the strip: the image with what is avoided in red, then moved: by its colour alone; by its mask, all
    that is bare mirrored; all of it drawn by the model; as the settings have it.
    """
    n, usual = len(scenes.images), RegenerationSettings(strategy="move")
    given = [""] * n, list(range(SEED, SEED + n)), scenes.images, avoided, None
    batch = Batch(family_of(pipeline), *given, usual, generation, np.zeros(n, bool), scenes.segment)
    images, told = _moved(batch)
    mirrored, _ = _moved(replace(batch, settings=usual.model_copy(update={"fill": 0.0})))
    drawn, _ = _moved(replace(batch, settings=usual.model_copy(update={"fill_known": -1e6})))
    coloured, told_coloured = _moved(replace(batch, segment=None))
    shown = np.where(avoided[..., None], scenes.images // 2 + np.array([127, 0, 0], np.uint8), scenes.images)
    strip = np.concatenate([np.concatenate(list(row), 1) for row in (shown, coloured, mirrored, drawn, images)])
    row = {
        "kind": scenes.kind,
        "n": n,
        "object_share": float(scenes.objects.mean()),
        "object_share_by_colour": float(find_objects(scenes.images, None, usual.plain).shapes.mean()),
        "object_share_by_mask": float(find_objects(scenes.images, scenes.segment, usual.plain).shapes.mean()),
        "overlap_before": _overlap(scenes.objects, avoided, [{}] * n),
        "overlap_by_colour": _overlap(scenes.objects, avoided, told_coloured),
        "overlap_by_mask": _overlap(scenes.objects, avoided, told),
        "moved_share": float(np.mean([each["how"] == "moved" for each in told])),
        "bare_share": float(np.mean([each.get("bare", 0.0) for each in told])),
        "drawn_by_model": [each.get("fill") for each in told].count("model"),
        "evaluations_mean": float(np.mean([each.get("evaluations", 0) for each in told])),
        "evaluations_of_a_draw": 2 * generation.steps,
        **_seams({"mirrored": mirrored, "drawn": drawn, "chosen": images}, told),
    }
    return row, strip


def _seams(filled: dict[str, np.ndarray], told: list[dict[str, Any]]) -> dict[str, Any]:
    """How visible the seams of moved images are, by what their bare parts were filled with."""
    moves = {i: move for i, move in enumerate(map(_move, told)) if not move.stays}
    seams = {
        name: [(seam_ratio(images[i], move), mirror_likeness(images[i], move)) for i, move in moves.items()]
        for name, images in filled.items()
    }
    means = {name: np.mean(values, axis=0) for name, values in seams.items() if values}
    return {f"seam_{name}": float(mean[0]) for name, mean in means.items()} | {
        f"mirror_likeness_{name}": float(mean[1]) for name, mean in means.items()
    }


def _moved(batch: Batch) -> tuple[np.ndarray, list[dict[str, Any]]]:
    strategy = MoveStrategy(batch)
    return strategy.finish(batch.images), [each["avoidance"] for each in strategy.figures()]


def _move(told: dict[str, Any]) -> Move:
    return Move(told.get("down", 0), told.get("right", 0), told.get("overlap_drawn", 0.0), told.get("overlap", 0.0))


def _overlap(objects: np.ndarray, avoided: np.ndarray, told: list[dict[str, Any]]) -> float:
    """Mean intersection over union of what really is the object with what is avoided, after the moves."""
    moves = [_move(each) for each in told]
    there = [shifted(shape, move.down, move.right) for shape, move in zip(objects, moves, strict=True)]
    return float(np.mean([iou(shape, mask) for shape, mask in zip(there, avoided, strict=True)]))


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """The bars: what a mask makes of the overlap on photographs and busy grounds, and what plain ground costs."""
    by_kind: dict[str, dict[str, Any]] = {row["kind"]: row for row in rows}
    ratios = {kind: row["overlap_by_mask"] / row["overlap_before"] for kind, row in by_kind.items()}
    return [
        Bar(name="photographs_overlap_ratio", value=ratios[PHOTOGRAPHS], goal=0.6, direction="<="),
        Bar(name="busy_overlap_ratio", value=ratios[BUSY], goal=0.6, direction="<="),
        Bar(name="busy_seam_ratio", value=by_kind[BUSY]["seam_chosen"], goal=1.5, direction="<="),
        Bar(name="plain_evaluations", value=by_kind[PLAIN]["evaluations_mean"], goal=0, direction="<="),
    ]
