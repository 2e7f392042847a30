"""The SSIM engine on photographs: error, speed against other libraries, pruning, threads, and growth of the corpus.

Costs are seconds of processor time, which neighbours on the machine disturb least, except that of two threads, which
only a clock can tell. What is compared is measured in turn, round by round; the median of the rounds' ratios counts.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.bench.audit.photographs import Photograph, crops, photographs
from twig_assets.bench.audit.ssim_peers import Peer, peers
from twig_assets.bench.report import Bar, Measured
from twig_assets.similarity import PixelFile, append_pictures, ssim_above, ssim_all_pairs

SEED = 71
SPEED_GOALS = {64: 50.0, 256: 25.0, 512: 25.0}


@dataclass(frozen=True)
class SampleSizes:
    """How much is measured.

    Attributes:
        rounds: How often each comparison is repeated.
        pairs: Side of the pictures -> queries, references, and pairs for the other libraries.
        above: Queries and references of the search above a threshold; one reference is a copy of each query.
        thresholds: Of that search.
        threads: Queries, references and rounds of the comparison of one thread with two. Short rounds and many, so that
            in some of them no neighbour wants the second core; the fastest of each count.
        growth: Queries, references at the start and at the end, and side of the pictures.
    """

    rounds: int
    pairs: dict[int, tuple[int, int, int]]
    above: tuple[int, int]
    thresholds: tuple[float, ...]
    threads: tuple[int, int, int]
    growth: tuple[int, int, int, int]


FULL = SampleSizes(
    rounds=5,
    pairs={64: (64, 512, 40), 256: (64, 64, 8), 512: (40, 40, 4)},
    above=(64, 2000),
    thresholds=(0.6, 0.7, 0.8, 0.9),
    threads=(64, 600, 30),
    growth=(8, 1000, 1_000_000, 64),
)
QUICK = SampleSizes(
    rounds=3,
    pairs={64: (64, 128, 20), 256: (64, 16, 3), 512: (40, 10, 2)},
    above=(64, 2000),
    thresholds=(0.7,),
    threads=(64, 600, 15),
    growth=(8, 1000, 1_000_000, 32),
)


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure the engine now.

    Args:
        quick: A smaller sample; the million references are then of 32 x 32 pixels instead of 64 x 64.
        grid: Not used: there are no pictures to judge.

    Raises:
        MissingPeerError: If a library that is compared with is not installed.
    """
    sizes = QUICK if quick else FULL
    libraries, taken = peers(), photographs()
    rows: list[dict[str, Any]] = [
        {"kind": "photographs", "count": len(taken), "files": [photograph.name for photograph in taken]}
    ]
    rows += _errors(libraries, taken)
    bars = [Bar(name="max_abs_error", value=max(row["twig"] for row in rows[1:]), goal=1e-4, direction="<=")]
    for side, goal in SPEED_GOALS.items():
        row = _speed(libraries, taken, side, sizes)
        rows.append(row)
        bars.append(Bar(name=f"speedup_{side}", value=row["times_scikit_image"], goal=goal, direction=">="))
    gains = [_gain(taken, threshold, sizes) for threshold in sizes.thresholds]
    threads, growth = _threads(taken, sizes), _growth(taken, sizes)
    gain = next(row["gain"] for row in gains if row["threshold"] == 0.7)
    bars += [
        Bar(name="above_gain_photos_0.7", value=gain, goal=2.5, direction=">="),
        Bar(name="thread_scaling", value=threads["scaling"], goal=1.8, direction=">="),
        Bar(name="cost_growth_1e6", value=growth["growth"], goal=1.2, direction="<="),
    ]
    return Measured(bars=bars, rows=[*rows, *gains, threads, growth])


def _errors(libraries: dict[str, Peer], taken: list[Photograph]) -> list[dict[str, Any]]:
    """Largest difference to scikit-image on photographs, on changed copies of them, and on flat and saturated areas."""
    rows = []
    for side in SPEED_GOALS:
        pictures = np.concatenate([crops(taken, 12, side, SEED), _hard(crops(taken, 4, side, SEED + 1))])
        left, right = (index.ravel() for index in np.indices((len(pictures), len(pictures))))
        chosen = np.random.default_rng(SEED).permutation(len(left))[: 200 if side == 64 else 40]
        a, b = left[chosen], right[chosen]
        exact = libraries["scikit-image"](pictures[a], pictures[b])
        by_library = {"twig": ssim_all_pairs(pictures, pictures)[a, b]}
        by_library |= {
            name: peer(pictures[a], pictures[b]) for name, peer in libraries.items() if name != "scikit-image"
        }
        errors = {name: float(np.abs(scores - exact).max()) for name, scores in by_library.items()}
        rows.append({"kind": "error", "side": side, "pairs": len(chosen), **errors})
    return rows


def _hard(pictures: np.ndarray) -> np.ndarray:
    """What float32 finds hardest: white, nearly white and black areas, alone and beside texture; and noisy copies."""
    rng = np.random.default_rng(SEED)
    noisy = (pictures + rng.normal(0, 12, pictures.shape)).clip(0, 255).astype(np.uint8)
    flat = np.stack([np.full(pictures.shape[1:], level, np.uint8) for level in (0, 1, 128, 254, 255)])
    half = pictures.copy()
    half[:, pictures.shape[1] // 2 :] = 255
    return np.concatenate([noisy, flat, half])


def _speed(libraries: dict[str, Peer], taken: list[Photograph], side: int, sizes: SampleSizes) -> dict[str, Any]:
    queries, references, sample = sizes.pairs[side]
    a, b = crops(taken, queries, side, SEED + 2), crops(taken, references, side, SEED + 3)
    rng = np.random.default_rng(SEED)
    left, right = a[rng.integers(queries, size=sample)], b[rng.integers(references, size=sample)]
    tried: dict[str, tuple[Callable[[], object], int]] = {
        "twig": (partial(ssim_all_pairs, a, b), queries * references),
        **{name: (partial(peer, left, right), sample) for name, peer in libraries.items()},
    }
    spent = _rounds({name: work for name, (work, _) in tried.items()}, sizes.rounds, time.process_time)
    per_pair = {name: [seconds / tried[name][1] for seconds in spent[name]] for name in tried}
    return {
        "kind": "speed",
        "side": side,
        "queries": queries,
        "references": references,
        "microseconds_per_pair": {name: 1e6 * statistics.median(values) for name, values in per_pair.items()},
        "times_scikit_image": _ratio(per_pair["scikit-image"], per_pair["twig"]),
        "others_times_scikit_image": {
            name: _ratio(per_pair["scikit-image"], per_pair[name]) for name in libraries if name != "scikit-image"
        },
    }


def _gain(taken: list[Photograph], threshold: float, sizes: SampleSizes) -> dict[str, Any]:
    """How much cheaper the search above a threshold is than all scores, when each query has one noisy copy."""
    queries, references = sizes.above
    a, b = crops(taken, queries, 64, SEED + 4), crops(taken, references, 64, SEED + 5)
    noise = np.random.default_rng(SEED).normal(0, 4, a.shape)
    b[:: references // queries][:queries] = (a + noise).clip(0, 255).astype(np.uint8)
    work: dict[str, Callable[[], object]] = {
        "all": partial(ssim_all_pairs, a, b),
        "above": partial(ssim_above, a, b, threshold),
    }
    spent = _rounds(work, sizes.rounds, time.process_time)
    exact = ssim_all_pairs(a, b)
    pairs = ssim_above(a, b, threshold)
    return {
        "kind": "above",
        "threshold": threshold,
        "queries": queries,
        "references": references,
        "pairs_above": len(pairs),
        "missed": int((exact >= threshold + 1e-3).sum()) - sum(pair.ssim >= threshold + 1e-3 for pair in pairs),
        "gain": _ratio(spent["all"], spent["above"]),
    }


def _threads(taken: list[Photograph], sizes: SampleSizes) -> dict[str, Any]:
    queries, references, rounds = sizes.threads
    a, b = crops(taken, queries, 64, SEED + 6), crops(taken, references, 64, SEED + 7)
    work = {f"{n}": partial(ssim_all_pairs, a, b, threads=n) for n in (1, 2)}
    spent = _rounds(work, rounds, time.perf_counter)
    return {
        "kind": "threads",
        "queries": queries,
        "references": references,
        "seconds": spent,
        # Of rounds that ran next to each other: the two fastest of all may come from different moments of the machine.
        "scaling": float(np.median(np.divide(spent["1"], spent["2"]))),
    }


def _growth(taken: list[Photograph], sizes: SampleSizes) -> dict[str, Any]:
    """Cost per pair of a small and of a large file of references, each scanned by a process of its own."""
    queries, few, many, side = sizes.growth
    pictures = crops(taken, few, side, SEED + 8)
    asked = crops(taken, queries, side, SEED + 9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "references"
        append_pictures(path, pictures)
        small = _scan_apart(path, asked)
        while len(PixelFile(path)) < many:
            append_pictures(path, pictures)
        large = _scan_apart(path, asked)
    return {
        "kind": "growth",
        "side": side,
        "queries": queries,
        "small": small,
        "large": large,
        "growth": large["microseconds_per_pair"] / small["microseconds_per_pair"],
    }


def _scan_apart(path: Path, queries: np.ndarray) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(scan_file, path, queries).result()


def scan_file(path: Path, queries: np.ndarray) -> dict[str, Any]:
    """Score queries against a file of references in this process, repeating a short scan until it can be timed.

    Returns:
        Number of references, scans and pairs, processor and clock seconds, and the process's peak of memory.
    """
    references = PixelFile(path)
    ssim_all_pairs(queries, references[:10])
    scans, before, started = 0, time.process_time(), time.perf_counter()
    while scans == 0 or time.process_time() - before < 2:
        ssim_all_pairs(queries, references)
        scans += 1
    spent, pairs = time.process_time() - before, scans * len(queries) * len(references)
    return {
        "references": len(references),
        "scans": scans,
        "processor_seconds": spent,
        "clock_seconds": time.perf_counter() - started,
        "microseconds_per_pair": 1e6 * spent / pairs,
        "peak_mib": _peak_mib(),
    }


def _peak_mib() -> float | None:
    """The most memory this process has had; None where the system does not say. getrusage would tell the parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def _rounds(
    work: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each piece of work in each round; the first, which compiles, is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, run in work.items():
            before = clock()
            run()
            spent[name].append(clock() - before)
    return {name: seconds[1:] for name, seconds in spent.items()}


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
