"""Benchmark: what engines add to the work, and how much faster two workers and two nodes of Ray are than one.

The work is that of an audit: images of 320 px, all detectors, ten works; every engine gets the same shards. Before an
engine is measured, its workers have started and opened the works. Rounds take turns, so that what else the machine does
strikes all engines alike; a ratio is that of the rounds' medians, its interval a bootstrap over rounds.
"""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from twig_assets.bench.audit.ray_nodes import node, ray_nodes
from twig_assets.bench.report import Bar, Measured
from twig_assets.catalog.hashing import canonical_json
from twig_assets.engines import Context, Engine, Shard, opened_engine
from twig_assets.settings.engines import EngineSettings
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
    seeds = range(1000, 1000 + (QUICK_IMAGES if quick else IMAGES))
    parts = [seeds[start : start + PER_SHARD] for start in range(0, len(seeds), PER_SHARD)]
    shards: list[Shard[Sequence[int]]] = [Shard(f"images from {part[0]}", part) for part in parts]
    rounds = QUICK_ROUNDS if quick else ROUNDS
    outputs: dict[str, list[bytes]] = {}
    with opened_engine(EngineSettings(workers=1)) as one, opened_engine(EngineSettings(workers=2)) as two:
        seconds = _timed({"in_process": one, "processes_2": two}, shards, rounds, outputs)
    with ray_nodes(1) as cluster, opened_engine(EngineSettings(engine="ray", address=cluster.address)) as ray:
        before = _timed({"ray_1_node": ray}, shards, -(-rounds // 2), outputs)
        second = cluster.add_node(**node(1))
        seconds |= _timed({"ray_2_nodes": ray}, shards, rounds, outputs)
        cluster.remove_node(second)
        # Half before and half after, so that a machine that gets slower or faster meanwhile changes no ratio.
        after = _timed({"ray_1_node": ray}, shards, rounds // 2, outputs)
    seconds["ray_1_node"] = before["ray_1_node"] + after.get("ray_1_node", [])
    same = sum(output == outputs["in_process"] for output in outputs.values())
    bars = [
        _ratio("images_per_s_ratio_workers_2", seconds["in_process"], seconds["processes_2"], 1.7),
        _ratio("images_per_s_ratio_nodes_2", seconds["ray_1_node"], seconds["ray_2_nodes"], 1.7),
        _ratio("images_per_s_ratio_ray_to_in_process", seconds["in_process"], seconds["ray_1_node"], 0.9),
        Bar(name="same_bytes", value=same / len(outputs), goal=1, direction=">="),
    ]
    return Measured(bars=bars, rows=[_row(name, of_engine, len(seeds)) for name, of_engine in seconds.items()])


def _timed(
    engines: dict[str, Engine], shards: Sequence[Shard[Sequence[int]]], rounds: int, outputs: dict[str, list[bytes]]
) -> Timed:
    """Seconds of each round; the results go to `outputs`."""
    context, seconds = Context(opened, WORKS), {name: list[float]() for name in engines}
    for engine in engines.values():
        # Enough for every worker to start and open the works.
        list(engine.map(audited, [shards[0]] * 2 * engine.workers, context))
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            outputs[name] = list(engine.map(audited, shards, context))
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _ratio(name: str, slow: Sequence[float], fast: Sequence[float], goal: float) -> Bar:
    """How many times the images of the first engine the second one does in the same time."""
    rng = np.random.default_rng(0)
    drawn = [np.median(rng.choice(slow, len(slow))) / np.median(rng.choice(fast, len(fast))) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    value = float(np.median(slow) / np.median(fast))
    return Bar(name=name, value=value, goal=goal, direction=">=", interval=(low, high))


def _row(name: str, seconds: Sequence[float], images: int) -> dict[str, Any]:
    return {"engine": name, "images": images, "seconds": seconds, "images_per_s": images / float(np.median(seconds))}
