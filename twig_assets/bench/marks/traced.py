"""Which copies of releases are traced back, by what, and which strangers are taken for releases."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from twig_assets.bench.audit.copy_sets import SEED
from twig_assets.bench.marks.released import KEY, file_of, whence
from twig_assets.provenance.fingerprints import ReleaseIndex
from twig_assets.provenance.watermark import LatticeWatermark
from twig_assets.provenance.whence import Whence
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed

STRIPPED = "header stripped"
KINDS = (STRIPPED, *TRANSFORMS)
_CHUNK = 20


@dataclass(frozen=True, eq=False)
class Copy:
    """A copy of a release that is asked about; of a stranger where `release` is None.

    Attributes:
        kind: How it was made, one of KINDS.
        set: Of which pictures: `zoo`, `photographs` or `strangers`.
        release: Number of the release.
        pixels: What was copied, uint8 (h, w, 3).
        ground: What it is pasted on.
        seed: Of its noise and places.
    """

    kind: str
    set: str
    release: int | None
    pixels: np.ndarray
    ground: np.ndarray
    seed: int


@dataclass(frozen=True)
class Asked:
    """What came of asking.

    Attributes:
        kind: See `Copy`.
        set: See `Copy`.
        release: See `Copy`.
        answered_by: See `Answer`.
        named: The numbers of the releases that were named, the surest first.
        by_watermark: Whether the watermark alone names the right one, where the picture lies as it was marked.
        by_fingerprint: Whether the fingerprint alone names the right one first.
    """

    kind: str
    set: str
    release: int | None
    answered_by: str | None
    named: tuple[int, ...]
    by_watermark: bool = False
    by_fingerprint: bool = False

    @property
    def traced(self) -> bool:
        """Whether the right release was named first."""
        return self.release is not None and self.named[:1] == (self.release,)

    @property
    def false(self) -> bool:
        """Whether another release was named first, or any for a stranger."""
        return bool(self.named) and not self.traced


def copies(pictures: Sequence[tuple[str, np.ndarray]], grounds: Sequence[np.ndarray], each: int) -> list[Copy]:
    """Copies of every release: stripped of its header, and in `each` of the eighteen kinds, which take turns.

    Args:
        pictures: Set and marked picture of each release.
        grounds: Other pictures.
        each: How many kinds per release.
    """
    made = []
    for number, (of_set, pixels) in enumerate(pictures):
        turn = [TRANSFORMS[(number * each + i) % len(TRANSFORMS)] for i in range(each)]
        ground = grounds[number % len(grounds)]
        made += [
            Copy(kind, of_set, number, pixels, ground, SEED + number * 100 + i)
            for i, kind in enumerate((STRIPPED, *turn))
        ]
    return made


def strangers(pictures: Sequence[np.ndarray], grounds: Sequence[np.ndarray]) -> list[Copy]:
    """Pictures that are no releases, changed in the same ways in turn."""
    return [
        Copy(KINDS[i % len(KINDS)], "strangers", None, pixels, grounds[i % len(grounds)], SEED + i)
        for i, pixels in enumerate(pictures)
    ]


def ask_all(folder: Path, wanted: Sequence[Copy]) -> list[Asked]:
    """Ask about copies and strangers, with a process for each core."""
    chunks = [wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK)]
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        done = tqdm(pool.map(_ask_chunk, [folder] * len(chunks), chunks), "asked", len(chunks), unit=f"{_CHUNK} files")
        return [asked for chunk in done for asked in chunk]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _ask_chunk(folder: Path, chunk: Sequence[Copy]) -> list[Asked]:
    return list(_asked(_opened(folder), chunk))


def _asked(opened: "_Opened", chunk: Sequence[Copy]) -> Iterator[Asked]:
    for copy in chunk:
        pixels = copy.pixels
        if copy.kind != STRIPPED:
            pixels = transformed(pixels, copy.kind, np.random.default_rng(copy.seed), copy.ground)
        answer = opened.whence.ask(file_of(pixels))
        named = tuple(dict.fromkeys(int(image.prompt.removeprefix("release ")) for image in answer.known))
        # A number that no image has is as false as the name of another release.
        named = named or ((-1,) if answer.answered_by else ())
        alone = (False, False) if copy.release is None else opened.alone(pixels, copy.release)
        yield Asked(copy.kind, copy.set, copy.release, answer.answered_by, named, *alone)


class _Opened:
    """What a process asks.

    Attributes:
        whence: Answers.
    """

    def __init__(self, folder: Path) -> None:
        from sqlalchemy import select

        from twig_assets.catalog.database import open_catalog
        from twig_assets.catalog.models import Image, Watermark
        from twig_assets.catalog.store import ArtifactStore

        self.whence: Whence = whence(folder)
        self._watermark, self._index = LatticeWatermark(KEY), ReleaseIndex(folder / "releases")
        self._store = ArtifactStore(str(folder / "artifacts"))
        catalog = open_catalog(f"sqlite:///{folder}/catalog.db")
        with catalog.snapshot() as session:
            rows = session.execute(select(Watermark.payload, Image.sha256).join(Image).order_by(Image.id)).all()
        catalog.close()
        self._payloads, self._hashes = [bytes.fromhex(row[0]) for row in rows], [row[1] for row in rows]

    def alone(self, pixels: np.ndarray, release: int) -> tuple[bool, bool]:
        """Whether the watermark, and the fingerprint, each name a release without the other."""
        reading = self._watermark.read(pixels, self._payloads)
        likenesses = self._index.like(pixels, self._store.read_image)
        return (
            reading is not None and reading.payload == self._payloads[release],
            bool(likenesses) and likenesses[0].sha256 == self._hashes[release],
        )


@cache
def _opened(folder: Path) -> _Opened:
    return _Opened(folder)
