"""The index of works at ten million hashes and a million works: how fast, in how much memory, and what it misses.

Real works are few: crops of photographs and drawings, as files. The others are synthetic, see `synthetic_works`; where
one of them is a candidate, a real picture is read and compared with in its place, so that a closer look costs what it
does.
"""

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from twig_assets.bench.audit.photographs import crops, photographs
from twig_assets.bench.audit.synthetic_works import Pool, is_synthetic, rows_with_pixels, sizes_of
from twig_assets.bench.memory import PeakMemory
from twig_assets.bench.report import Bar, Measured
from twig_assets.similarity import Policy, ReferenceImage, opened_sources
from twig_assets.similarity.corpus.decode import decode, read_file
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.index.audited import BATCH, IndexedWorks, audit_indexed
from twig_assets.similarity.index.build import add_works, build_index, works_in
from twig_assets.similarity.index.candidates import HASHES
from twig_assets.similarity.index.check import index_recall
from twig_assets.similarity.index.describe import by_cosine, described_view, rows_of
from twig_assets.similarity.index.pdq_tables import HashTable, look_up_all, tables_of
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.rows import WorkText
from twig_assets.similarity.index.segment import MAX_ROWS
from twig_assets.similarity.index.writer import IndexWriter
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.versions import SCORING

_SEED = 20251101
_SIDE = 320
_ADDED = 5
_FLIPPED = 31
_CORES = 2
_TURNS = len(ORIENTATIONS)
_AT_ONCE = BATCH * _TURNS
_ALONE = 16

Result = TypeVar("Result")


class _Sample(NamedTuple):
    """Sizes of a run."""

    hashes: int
    few: int
    many: int
    lookups: int
    images: int
    copies: int


_SAMPLES = {
    "quick": _Sample(1_000_000, 10_000, 50_000, 1024, 16, 36),
    "default": _Sample(10_000_000, 10_000, 1_000_000, 4096, 32, 144),
    "full": _Sample(20_000_000, 10_000, 2_000_000, 8192, 96, 288),
}


class NoRoomError(RuntimeError):
    """The disk has too little room for the benchmark; the message says how much it needs."""


def measure(quick: bool = False, grid: Path | None = None, full: bool = False) -> Measured:
    """Measure the index; `quick` takes a twentieth of the works, `full` twice as many. Draws no `grid`."""
    sample = _SAMPLES["quick" if quick else "full" if full else "default"]
    # With room for what is written besides while segments are merged.
    needed = 1.3 * (sizes_of([sample.few, sample.many]) + sample.hashes * 112)
    with tempfile.TemporaryDirectory(prefix="twig-index-") as folder:
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise NoRoomError(f"{folder}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; set TMPDIR")
        return _measured(Path(folder), sample)


def _measured(folder: Path, sample: _Sample) -> Measured:
    pictures = _Pictures(folder, sample.images)
    looked_up, hash_mib = _by_itself(_lookups, pictures.pool, folder / "hashes", sample)
    few = _Corpus(folder / "few", pictures, sample.few, sample, recalled=False)
    many = _Corpus(folder / "many", pictures, sample.many, sample)
    growth = many.row["cpu_s_per_image"] / few.row["cpu_s_per_image"]
    rate = looked_up[0]["lookups_per_cpu_s"] * _CORES
    bars = [
        Bar(name="pdq_lookups_per_s_10m", value=rate, goal=1500, direction=">="),
        Bar(name="cpu_s_per_image_1m", value=many.row["cpu_s_per_image"], goal=1, direction="<="),
        Bar(name="peak_mib", value=max(hash_mib, many.row["peak_mib"]), goal=2048, direction="<="),
        Bar(name="add_one_s", value=many.row["add_one_s"], goal=1, direction="<="),
        Bar.of_share("candidate_recall", many.hits, many.row["alike"], 0.99, ">="),
        Bar(name="cost_growth_1e4_1e6", value=growth, goal=2, direction="<="),
    ]
    return Measured(bars=bars, rows=[*looked_up, few.row, many.row])


def _by_itself(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process of its own, so that nothing else counts as its memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


class _Pictures:
    """Real works as files, the pool of which the synthetic ones are made, and images to audit.

    Photographs are divided among the three, so that only a copy shows what a work shows.
    """

    def __init__(self, folder: Path, images: int) -> None:
        self.sources = opened_sources(Policy().model_dump())
        taken = photographs()
        works, pool, strangers = taken[::3], taken[1::3], taken[2::3]
        self.works, self.stand_ins = folder / "works", folder / "stand-ins"
        _write(self.works, crops(works, 800, 256, _SEED))
        pool_pictures = crops(pool, 800, 256, _SEED + 1)
        _write(self.stand_ins, pool_pictures[:256])
        self.pool = Pool(_described(pool_pictures, self.sources))
        self._strangers = crops(strangers, images, _SIDE, _SEED + 2)

    def images(self, count: int) -> list[np.ndarray]:
        """Images of 320 px: half of them copies of works, half of them strangers."""
        rng = np.random.default_rng(_SEED)
        strangers = self._strangers
        works = sorted(self.works.iterdir())
        images = list(strangers[: count - count // 2])
        for i in range(count // 2):
            work = decode(read_file(works[i * 7 % len(works)])).pixels
            copy = transformed(work, TRANSFORMS[i % len(TRANSFORMS)], rng, strangers[-1])
            images.append(np.asarray(Image.fromarray(copy).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)))
        return images


class _StandIns(CorpusIndex):
    """An index in which real pictures stand for works that have no file."""

    def __init__(self, folder: Path, stand_ins: Path) -> None:
        super().__init__(folder)
        self._stand_ins = sorted(stand_ins.iterdir())

    def picture(self, row: int) -> ReferenceImage:
        text = self.text(row)
        if not is_synthetic(text):
            return super().picture(row)
        path = self._stand_ins[row % len(self._stand_ins)]
        details = text.title, text.rights_holder, text.licence, text.sha256
        return ReferenceImage(path, *details, decode(read_file(path)).pixels)


class _Corpus:
    """A corpus of some size, and what it costs."""

    def __init__(self, folder: Path, pictures: _Pictures, count: int, sample: _Sample, recalled: bool = True) -> None:
        cpu = time.process_time()
        real = build_index(folder, works_in([pictures.works]), pictures.sources, _unseen).added
        with IndexWriter(folder, SCORING) as writer:
            for start in range(real, count, MAX_ROWS):
                size = min(MAX_ROWS, count - start)
                local = pictures.pool.local_parts(size, start, _SEED)
                writer.add_segment(size, pictures.pool.parts(size, start, _SEED), local)
        self.row: dict[str, Any] = {"works": count, "real_works": real, "build_cpu_s": time.process_time() - cpu}
        index = _StandIns(folder, pictures.stand_ins)
        self.row["bytes_per_work"] = sum(entry.size for entry in index.manifest.segments) / count
        self.row |= _by_itself(_audits, folder, pictures.stand_ins, pictures.images(sample.images))
        starts = np.concatenate([[0], np.cumsum(index.counts)]).tolist()
        synthetic = [rows_with_pixels(size, first) for size, first in zip(index.counts, starts, strict=False)]
        if not recalled:
            return
        recall = index_recall(
            index,
            pictures.sources,
            Policy(),
            queries=sample.copies,
            copied_from=np.arange(index.counts[0]),
            among=np.concatenate([np.arange(index.counts[0]), *synthetic[1:]]),
        )
        self.row |= recall.as_row()
        self.hits = round(recall.candidate_recall * recall.alike)
        self.row["alike"] = recall.alike
        del index
        self.row["add_one_s"] = _add_one(folder, pictures)


def _audits(folder: Path, stand_ins: Path, images: list[np.ndarray]) -> dict[str, Any]:
    """Processor time and memory of auditing images, search and closer look."""
    policy, count = Policy(), len(images)
    index = _StandIns(folder, stand_ins)
    audit_indexed(images[:2], IndexedWorks(index, policy))
    # What was read for the first images is not for free for the others.
    works = IndexedWorks(index, policy)
    with PeakMemory() as memory:
        cpu = time.process_time()
        searched = [
            rows for start in range(0, count, BATCH) for rows in works.candidates(images[start : start + BATCH])
        ]
        searching = time.process_time() - cpu
        results = audit_indexed(images, IndexedWorks(index, policy))
        total = time.process_time() - cpu - searching
    return {
        "images": count,
        "cpu_s_per_image": total / count,
        "search_cpu_s_per_image": searching / count,
        "candidates_per_image": float(np.mean([len(of_image) for of_image in searched])),
        "peak_mib": memory.mib,
        "failed_copies": sum(result.verdict == "fail" for result in results[count - count // 2 :]),
        "failed_strangers": sum(result.verdict == "fail" for result in results[: count - count // 2]),
    }


def _add_one(folder: Path, pictures: _Pictures) -> float:
    """Seconds until a further work is in the index, the median of some."""
    seconds = []
    for i, picture in enumerate(pictures.images(_ADDED + 1)[:_ADDED]):
        place = folder.parent / f"{folder.name}-added"
        _write(place, picture[None], f"{i}-")
        file = works_in([place / f"{i}-0000.png"])
        started = time.perf_counter()
        add_works(folder, file, pictures.sources, _unseen)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _lookups(pool: Pool, folder: Path, sample: _Sample) -> tuple[list[dict[str, Any]], float]:
    """Exact look-ups of hashes, half of them planted at the very distance that a policy allows.

    They are looked up as an audit does it: those of a batch of images together, on each core another batch.
    """
    import faiss

    rng = np.random.default_rng(_SEED)
    tables = [_stored(pool.hashes(size, rng), folder / str(i)) for i, size in enumerate(_segments(sample.hashes))]
    wanted = rng.integers(0, len(tables[0].hashes), sample.lookups)
    owner = rng.integers(0, len(tables) - 1 if len(tables) > 1 else 1, sample.lookups)
    queries = np.stack([tables[o].hashes[w % len(tables[o].hashes)] for o, w in zip(owner, wanted, strict=True)]).copy()
    for query in queries[: sample.lookups // 2]:
        for bit in rng.choice(256, _FLIPPED, replace=False):
            query[bit // 8] ^= np.uint8(1 << (bit % 8))
    queries[sample.lookups // 2 :] = pool.hashes(sample.lookups - sample.lookups // 2, rng)
    batches = [queries[start : start + _AT_ONCE] for start in range(0, len(queries), _AT_ONCE)]
    look_up_all(tables[:1], batches[0])
    look_up_all(tables[:1], queries[:1])
    with PeakMemory() as memory, ThreadPoolExecutor(_CORES) as cores:
        cpu, wall = time.process_time(), time.perf_counter()
        parts = list(cores.map(lambda batch: look_up_all(tables, batch, most=HASHES), batches))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        distances = np.concatenate([part.distances for part in parts])
        spread = queries[:: len(queries) // (_ALONE * _TURNS)][: _ALONE * _TURNS]
        image_alone = _cpu_ms(lambda turns: look_up_all(tables, turns, most=HASHES), np.split(spread, _ALONE))
        alone = _cpu_ms(lambda one: look_up_all(tables, one, most=HASHES), np.split(spread, len(spread)))
    row = {
        "hashes": sample.hashes,
        "lookups": sample.lookups,
        "lookups_at_once": _AT_ONCE,
        "lookups_per_cpu_s": sample.lookups / cpu,
        "lookups_per_s": sample.lookups / wall,
        "cpu_ms_of_one_image_alone": image_alone,
        "cpu_ms_of_one_lookup_alone": alone,
        "planted_found": float((distances[: sample.lookups // 2, 0] <= _FLIPPED).mean()),
        "rows_looked_at": sum(part.looked_at for part in parts) / sample.lookups,
        "compared_with_all_of_a_segment": sum(part.exhaustive for part in parts) / (sample.lookups * len(tables)),
        "index_bytes_per_hash": sum(sum(part.nbytes for part in table) for table in tables) / sample.hashes,
        "peak_mib": memory.mib,
    }
    few = 16
    flat = faiss.IndexBinaryFlat(256)
    for table in tables:
        flat.add(np.ascontiguousarray(table.hashes))
    cpu = time.process_time()
    by_faiss, _ = flat.search(queries[:few], 1)
    peer = {"peer": "faiss IndexBinaryFlat", "lookups_per_cpu_s": few / (time.process_time() - cpu)}
    same = distances[:few, 0] == np.where(by_faiss[:, 0] <= _FLIPPED, by_faiss[:, 0], 257)
    shutil.rmtree(folder)
    return [{**row, "same_as_faiss": float(same.mean())}, peer], memory.mib


def _cpu_ms(look_up: Callable[[np.ndarray], object], batches: Sequence[np.ndarray]) -> float:
    """Milliseconds of processor time that looking up a batch takes, on average."""
    cpu = time.process_time()
    for batch in batches:
        look_up(batch)
    return 1000 * (time.process_time() - cpu) / len(batches)


def _stored(hashes: np.ndarray, folder: Path) -> HashTable:
    """The table of hashes, written to files and mapped from them."""
    folder.mkdir(parents=True)
    parts = []
    for name, array in tables_of(hashes)._asdict().items():
        np.save(folder / f"{name}.npy", array)
        parts.append(np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray))
    return HashTable(*parts)


def _segments(count: int) -> list[int]:
    return [min(MAX_ROWS, count - start) for start in range(0, count, MAX_ROWS)]


def _described(pictures: np.ndarray, sources: Sequence[Source]) -> Any:
    by_name = by_cosine(sources)
    texts = [WorkText(f"{i:064x}", "", "", "", "", "") for i in range(len(pictures))]
    return rows_of([described_view(text, picture, by_name) for text, picture in zip(texts, pictures, strict=True)])


def _write(folder: Path, pictures: np.ndarray, prefix: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{prefix}{i:04d}.png", compress_level=1)


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
