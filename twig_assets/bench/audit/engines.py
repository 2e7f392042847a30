"""Benchmark: what engines add to the work, and how much faster two workers and two nodes of Ray are than one.

The work is that of an audit (images of 320 px, all detectors, ten works) and that of drawing (first images by the
embedded model, two to a shard). Every engine gets the same shards. Before an engine is measured, its workers have
started and opened the works or the model. Rounds take turns, so that what else the machine does strikes all engines
alike; a ratio is that of the rounds' medians, its interval a bootstrap over rounds.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from twig_assets.bench.audit.ray_nodes import node, ray_nodes
from twig_assets.bench.campaigns.workspace import ordinary_prompts
from twig_assets.bench.report import Bar, Measured
from twig_assets.campaign.campaign import SegmenterChoice
from twig_assets.catalog.hashing import canonical_json
from twig_assets.compliance.attempts.drawing import Drawing, DrawingSettings, FirstChunk, drawn_firsts
from twig_assets.compliance.attempts.drawing import opened as opened_drawing
from twig_assets.engines import Context, Engine, Shard, opened_engine
from twig_assets.generation import fingerprint, load_checkpoint
from twig_assets.settings.engines import EngineSettings
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.home import quiet_model_libraries
from twig_assets.settings.opening import OpeningSettings
from twig_assets.settings.segmentation import SegmentationSettings
from twig_assets.similarity import Policy, ReferenceImage, audit, opened_sources
from twig_assets.similarity.audit import indexed
from twig_assets.similarity.corpus.index import ReferenceIndex

SIDE = 320
WORKS = 10
PER_SHARD = 2
IMAGES, QUICK_IMAGES = 24, 8
ROUNDS, QUICK_ROUNDS = 4, 2

Timed = dict[str, list[float]]
"""Name of an engine -> seconds of each round."""


class Work(NamedTuple):
    """What engines are measured with.

    Attributes:
        compute: What is computed of a shard; it gives bytes.
        shards: All shards of a round.
        context: What a worker opens.
    """

    compute: Callable[[Any, Any], bytes]
    shards: Sequence[Shard[Any]]
    context: Context[Any]


class Opened(NamedTuple):
    """What a worker opens."""

    references: list[ReferenceImage]
    searched: ReferenceIndex


def opened(count: int) -> Opened:
    """So many works; for a context."""
    works = [
        ReferenceImage(Path(f"{i}.png"), str(i), "", "", hashlib.sha256(str(i).encode()).hexdigest(), picture(i))
        for i in range(count)
    ]
    return Opened(works, indexed(works, opened_sources(Policy().model_dump())))


def audited(works: Opened, seeds: Sequence[int]) -> bytes:
    """Results for images of these seeds, as JSON."""
    images = np.stack([picture(seed) for seed in seeds])
    results = audit(images, works.references, Policy(), index=works.searched)
    return canonical_json([result.as_row() for result in results]).encode()


def drawn(drawing: Drawing, chunk: FirstChunk) -> bytes:
    """The pixels of a chunk of first images."""
    return drawn_firsts(drawing, chunk).tobytes()


def picture(seed: int) -> np.ndarray:
    """A picture with areas, edges and fine structure: uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.uniform(0, 255, (6, 6, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    image = np.ascontiguousarray((ground + rng.normal(0, 6, ground.shape)).clip(0, 255).astype(np.uint8))
    for _ in range(40):
        (x, y), colour = rng.integers(0, SIDE, 2).tolist(), rng.integers(0, 256, 3).tolist()
        cv2.circle(image, (x, y), int(rng.integers(3, 40)), colour, thickness=-1 if rng.random() < 0.5 else 2)
    return image


def measure(quick: bool, grid: Path | None = None) -> Measured:
    """Run the benchmark.

    Args:
        quick: Fewer images and rounds.
        grid: Not used; there is nothing to look at.
    """
    count, rounds = (QUICK_IMAGES, QUICK_ROUNDS) if quick else (IMAGES, ROUNDS)
    auditing, drawing = _auditing(count), _drawing(count)
    outputs: dict[str, dict[str, list[bytes]]] = {"audit": {}, "draw": {}}
    with opened_engine(EngineSettings(workers=1)) as one, opened_engine(EngineSettings(workers=2)) as two:
        audit_s = _timed({"in_process": one, "processes_2": two}, auditing, rounds, outputs["audit"])
        draw_s = _timed({"in_process": one}, drawing, rounds, outputs["draw"])
    with ray_nodes(1) as cluster, opened_engine(EngineSettings(engine="ray", address=cluster.address)) as ray:
        for work, seconds, of_work in ((auditing, audit_s, outputs["audit"]), (drawing, draw_s, outputs["draw"])):
            seconds |= _one_and_two_nodes(cluster, ray, work, rounds, of_work)
    same = [output == of_work["in_process"] for of_work in outputs.values() for output in of_work.values()]
    bars = [
        _ratio("images_per_s_ratio_workers_2", audit_s["in_process"], audit_s["processes_2"], 1.7),
        _ratio("images_per_s_ratio_nodes_2", audit_s["ray_1_node"], audit_s["ray_2_nodes"], 1.7),
        _ratio("images_per_s_ratio_ray_to_in_process", audit_s["in_process"], audit_s["ray_1_node"], 0.9),
        _ratio("drawn_per_s_ratio_nodes_2", draw_s["ray_1_node"], draw_s["ray_2_nodes"], 1.6),
        _ratio("drawn_per_s_ratio_ray_to_in_process", draw_s["in_process"], draw_s["ray_1_node"], 0.9),
        Bar(name="same_bytes", value=sum(same) / len(same), goal=1, direction=">="),
    ]
    rows = [_row("audit", name, of_engine, count) for name, of_engine in audit_s.items()]
    rows += [_row("draw", name, of_engine, count) for name, of_engine in draw_s.items()]
    return Measured(bars=bars, rows=rows)


def _auditing(count: int) -> Work:
    seeds = range(1000, 1000 + count)
    parts = [seeds[start : start + PER_SHARD] for start in range(0, count, PER_SHARD)]
    return Work(audited, [Shard(f"images from {part[0]}", part) for part in parts], Context(opened, WORKS))


def _drawing(count: int) -> Work:
    quiet_model_libraries()
    folder, opening = Path.cwd(), OpeningSettings()
    base_sha256 = fingerprint(load_checkpoint("embedded", folder, opening))
    settings = DrawingSettings(
        "embedded",
        folder,
        opening,
        base_sha256,
        (),
        "",
        GenerationSettings(batch_size=PER_SHARD),
        SegmentationSettings(),
        SegmenterChoice(),
        None,
    )
    texts, seeds = ordinary_prompts(count), range(1000, 1000 + count)
    shards = [
        Shard(
            f"images from {seeds[start]}",
            FirstChunk(texts[start : start + PER_SHARD], list(seeds[start : start + PER_SHARD])),
        )
        for start in range(0, count, PER_SHARD)
    ]
    return Work(drawn, shards, Context(opened_drawing, settings, draws=True))


def _one_and_two_nodes(cluster: Any, ray: Engine, work: Work, rounds: int, outputs: dict[str, list[bytes]]) -> Timed:
    """Seconds by one node, half before and half after those by two: a machine that slows down changes no ratio then."""
    before = _timed({"ray_1_node": ray}, work, -(-rounds // 2), outputs)
    second = cluster.add_node(**node(1))
    both = _timed({"ray_2_nodes": ray}, work, rounds, outputs)
    cluster.remove_node(second)
    after = _timed({"ray_1_node": ray}, work, rounds // 2, outputs)
    return {"ray_1_node": before["ray_1_node"] + after["ray_1_node"], **both}


def _timed(engines: dict[str, Engine], work: Work, rounds: int, outputs: dict[str, list[bytes]]) -> Timed:
    """Seconds of each round; the results go to `outputs`."""
    seconds = {name: list[float]() for name in engines}
    for engine in engines.values():
        # Enough for every worker to start and open what it needs.
        list(engine.map(work.compute, [work.shards[0]] * 4 * engine.workers, work.context))
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            outputs[name] = list(engine.map(work.compute, work.shards, work.context))
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _ratio(name: str, slow: Sequence[float], fast: Sequence[float], goal: float) -> Bar:
    """How many times the images of the first engine the second one does in the same time."""
    rng = np.random.default_rng(0)
    drawn = [np.median(rng.choice(slow, len(slow))) / np.median(rng.choice(fast, len(fast))) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    value = float(np.median(slow) / np.median(fast))
    return Bar(name=name, value=value, goal=goal, direction=">=", interval=(low, high))


def _row(work: str, name: str, seconds: Sequence[float], images: int) -> dict[str, Any]:
    return {
        "work": work,
        "engine": name,
        "images": images,
        "seconds": seconds,
        "images_per_s": images / float(np.median(seconds)),
    }
