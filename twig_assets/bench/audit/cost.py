"""What `twig audit` costs: per image, fixed, after a change of policy, with two workers; and whether it is right.

Costs are seconds of processor time of the command and its workers. Those of an image are the difference between two
runs that differ in the number of images; so what a run costs whatever it audits, starting and the corpus' check of
itself, shows apart as `fixed_s`. Only the gain by workers is told by a clock, and means something on idle cores only.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twig_assets.bench.audit.audit_pictures import SIDE, images, works, write
from twig_assets.bench.audit.exhaustive import Exhaustive
from twig_assets.bench.report import Bar, Measured
from twig_assets.folder_audit.compare import SHARD
from twig_assets.similarity import Policy, ReferenceImage, read_references
from twig_assets.similarity.detectors.networks import packaged

_OTHER_POLICY = "ssim_threshold: 0.7\npdq_distance_at_most: 20\nalignment_strength_at_least: 2.5\n"


class Sizes(NamedTuple):
    """How much is measured.

    Attributes:
        few: Images of the smaller run against ten works.
        many: Images of the larger one.
        large: Works of the large corpus.
        further: Images that are added to one against the large corpus.
        exhaustive: Images that are also judged by brute force, and the works that they are compared with.
        shared: Images of the shorter and of the longer run that are timed with one worker and with two.
        rounds: How often these are.
    """

    few: int
    many: int
    large: int
    further: int
    exhaustive: tuple[tuple[int, int], ...]
    shared: tuple[int, int]
    rounds: int


FULL = Sizes(
    few=12, many=48, large=1000, further=14, exhaustive=((12, 10), (4, 40)), shared=(2 * SHARD, 8 * SHARD), rounds=2
)
QUICK = Sizes(few=6, many=18, large=150, further=6, exhaustive=((6, 10),), shared=(2 * SHARD, 4 * SHARD), rounds=1)


class Spent(NamedTuple):
    """What a command cost: seconds of processor time, and by the clock."""

    processor: float
    clock: float


class AuditFailedError(RuntimeError):
    """The command did not end as an audit does; the message is what it wrote."""


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure the command now.

    Args:
        quick: A smaller sample, with 150 works for the large corpus.
        grid: Not used: there are no pictures to judge.
    """
    sizes = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ten = _against_ten(place, sizes)
        large = _against_many(place, sizes)
        shared = _by_workers(place, sizes)
        equal, judged = _exhaustive(place, sizes)
    bars = [
        Bar(name="cpu_s_per_image_10", value=ten["per_image"], goal=0.12, direction="<="),
        Bar(name="cpu_s_per_image_1000", value=large["per_image"], goal=0.35, direction="<="),
        Bar(name="fixed_s", value=ten["fixed"], goal=5.0, direction="<="),
        Bar(name="policy_change_share", value=ten["policy_share"], goal=0.05, direction="<="),
        Bar(name="images_per_s_ratio_workers_2", value=shared["ratio"], goal=1.7, direction=">="),
        Bar.of_share("verdicts_equal_exhaustive", equal, judged, 1.0, ">="),
    ]
    return Measured(bars=bars, rows=[ten, large, shared, *_peers(sizes)])


def _against_ten(place: Path, sizes: Sizes) -> dict[str, Any]:
    references = works(10)
    corpus, taken = write(place / "ten", references), images(sizes.many, references)
    all_images, some = write(place / "many", taken), write(place / "few", taken[: sizes.few])
    _audit(some, corpus, place / "warm-up", "--sample", "0")
    few, many = _audit(some, corpus, place / "out-few"), _audit(all_images, corpus, place / "out-many")
    further = sizes.many - sizes.few
    per_image = (many.processor - few.processor) / further
    policy = place / "policy.yaml"
    policy.write_text(_OTHER_POLICY, encoding="utf-8")
    again = _audit(some, corpus, place / "out-few")
    changed = _audit(all_images, corpus, place / "out-many", "--policy", str(policy))
    start = _audit(some, corpus, place / "out-few").processor
    return {
        "kind": "ten works",
        "side": SIDE,
        "images": [sizes.few, sizes.many],
        "processor_seconds": {
            "few": few.processor,
            "many": many.processor,
            "few_again": again.processor,
            "other_policy": changed.processor,
        },
        "per_image": per_image,
        "fixed": few.processor - sizes.few * per_image,
        "policy_share": max(0.0, changed.processor - start) / (many.processor - start),
        "policy_share_of_whole_command": changed.processor / many.processor,
    }


def _by_workers(place: Path, sizes: Sizes) -> dict[str, Any]:
    """Images per second by the clock, with one worker and with two.

    Told by what a longer run takes more than a shorter one. Both describe no works and check no corpus, which a run
    before has done, and both start their workers and give each of them something to do.
    """
    references = works(10)
    corpus, taken = write(place / "shared", references), images(sizes.few + sum(sizes.shared), references)
    ends = np.cumsum((sizes.few, *sizes.shared)).tolist()
    parts = [write(place / f"shared-{end}", taken[:end]) for end in ends]
    further = sizes.shared[1] - sizes.shared[0]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(sizes.rounds):
        for workers, of_workers in seconds.items():
            out = place / f"shared-out-{turn}-{workers}"
            _, short, long = (_audit(part, corpus, out, workers=workers).clock for part in parts)
            of_workers.append(long - short)
    one, two = (float(np.median(of_workers)) for of_workers in seconds.values())
    rates = {"images_per_s_1": further / one, "images_per_s_2": further / two}
    return {"kind": "workers", "images": further, "seconds": seconds, **rates, "ratio": one / two}


def _against_many(place: Path, sizes: Sizes) -> dict[str, Any]:
    references = works(sizes.large)
    corpus, taken = write(place / "large", references), images(sizes.further + 4, references)
    out = place / "out-large"
    spent = [
        _audit(write(place / f"large-{count}", taken[:count]), corpus, out, "--sample", "0").processor
        for count in (2, 4, len(taken))
    ]
    return {
        "kind": "many works",
        "works": sizes.large,
        "images": sizes.further,
        "processor_seconds": dict(zip(("corpus_and_2_images", "2_more", "and_the_others"), spent, strict=True)),
        # Both of the later runs read what the first one kept of the corpus.
        "per_image": (spent[2] - spent[1]) / (sizes.further - 2),
    }


def _exhaustive(place: Path, sizes: Sizes) -> tuple[int, int]:
    """How many images have the same verdict, work and scores beside it by brute force, and of how many."""
    equal = judged = 0
    for count, of in sizes.exhaustive:
        corpus = write(place / f"exhaustive-{of}-works", works(of))
        source = write(place / f"exhaustive-{of}-images", images(count, works(of)))
        out = place / f"exhaustive-{of}"
        _audit(source, corpus, out, "--sample", "0")
        references, _ = read_references(corpus)
        equal += sum(_same(out, references))
        judged += count
    return equal, judged


def _same(out: Path, references: list[ReferenceImage]) -> list[bool]:
    import pyarrow.parquet
    from PIL import Image

    rows = [row for row in pyarrow.parquet.read_table(out / "audit.parquet").to_pylist() if row["rank"] == 1]
    folder = out.with_name(f"{out.name}-images")
    brute = Exhaustive(references, Policy())
    same = []
    for row in rows:
        result = brute.result(np.asarray(Image.open(folder / row["image"])))
        # Of the scores beside works that are no candidates, brute force alone knows.
        match = result.matches[0].scores if result.matches else {}
        scores = [(value, row[name]) for name, value in match.items()] + [(result.scores["ssim"], row["image_ssim"])]
        close = all(ours == theirs or (ours and abs(ours - theirs) < 1e-9) for ours, theirs in scores)
        nearest = result.nearest.sha256 if result.nearest else None
        same.append(close and row["verdict"] == result.verdict and row["reference_sha256"] == nearest)
    return same


def _audit(source: Path, corpus: Path, out: Path, *further: str, workers: int = 1) -> Spent:
    command = [sys.executable, "-m", "twig_assets.cli", "audit", str(source), "--references", str(corpus)]
    command += ["--out", str(out), "--workers", str(workers), *further]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise AuditFailedError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return Spent(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock)


def _peers(sizes: Sizes) -> list[dict[str, Any]]:
    """What it costs peers to describe an image; they find fewer kinds of copies, see the benchmark `detectors`."""
    taken = images(sizes.few, works(10))
    rows = []
    for name, describe in _describers().items():
        describe(taken[0])
        before = time.process_time()
        for image in taken:
            describe(image)
        rows.append({"kind": "peer", "name": name, "cpu_s_per_image": (time.process_time() - before) / len(taken)})
    return rows


def _describers() -> dict[str, Callable[[np.ndarray], object]]:
    found: dict[str, Callable[[np.ndarray], object]] = {}
    if find_spec("imagededup"):
        from imagededup.methods import PHash

        hasher = PHash()
        found["imagededup PHash"] = lambda image: hasher.encode_image(image_array=image)
    for network in ("distilled", "int8"):
        if (embed := packaged(network, 288)) is not None:
            found[f"immaculate sscd {network}"] = embed
    return found
