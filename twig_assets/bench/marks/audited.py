"""Whether a mark changes what the audit says: verdicts of releases, and copies of works that it finds."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from twig_assets.bench.audit.copy_sets import SEED
from twig_assets.bench.marks.released import marked
from twig_assets.bench.marks.traced import cores
from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit, opened_sources
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed

POLICY = Policy()
RELEASE = "release"
_CHUNK = 10


@dataclass(frozen=True)
class Judged:
    """The verdict on a picture before and after it was marked.

    Attributes:
        of: RELEASE, or the kind of copy of a work.
        before: Without the mark.
        after: With it.
    """

    of: str
    before: str
    after: str


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture before and after it was marked, uint8 (h, w, 3), and what it is, see `Judged`."""

    of: str
    before: np.ndarray
    after: np.ndarray


def releases(originals: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> list[Pair]:
    """The releases as they were drawn and as they were marked."""
    return [Pair(RELEASE, before, after) for before, after in zip(originals, pictures, strict=True)]


def copies_of(works: Sequence[ReferenceImage], each: int, grounds: Sequence[np.ndarray]) -> list[Pair]:
    """Copies of works in eighteen kinds, `each` of every kind, and the same marked as if they had been drawn."""
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(works))
    pairs = []
    for place, kind in enumerate(TRANSFORMS):
        for i in range(each):
            work = works[int(chosen[(place * each + i) % len(chosen)])]
            copy = transformed(work.pixels, kind, rng, grounds[i % len(grounds)])
            pairs.append(Pair(kind, copy, marked(copy)))
    return pairs


def judged(pairs: Sequence[Pair], works: Sequence[ReferenceImage]) -> list[Judged]:
    """The verdicts on all pairs, against the works, with a process for each core."""
    chunks = [pairs[start : start + _CHUNK] for start in range(0, len(pairs), _CHUNK)]
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn"), _open, (list(works),)) as pool:
        done = tqdm(pool.map(_judge, chunks), "audited", len(chunks), unit=f"{_CHUNK} pairs")
        return [verdict for chunk in done for verdict in chunk]


def _open(works: list[ReferenceImage]) -> None:
    index = ReferenceIndex([work.pixels for work in works], opened_sources(POLICY.model_dump()))
    _opened[:] = [(works, index)]


def _judge(pairs: Sequence[Pair]) -> list[Judged]:
    [(works, index)] = _opened
    return [
        Judged(p.of, *(audit(x[None], works, POLICY, index=index)[0].verdict for x in (p.before, p.after)))
        for p in pairs
    ]


# What a process of the pool has opened.
_opened: list[tuple[list[ReferenceImage], ReferenceIndex]] = []
