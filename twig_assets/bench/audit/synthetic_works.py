"""Works that nobody made, for corpora of millions: their descriptions are drawn from those of real pictures.

A description by itself says little about how fast or how well it is found among a million; what counts is how they lie
to one another. So each is made of real ones: hashes of real pictures with some bits turned, some of them nearly the
same as others and some of them very common; vectors mixed of two; local features of real pictures, word by word, with
some bits of their signatures turned, at random places.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from twig_assets.similarity.index.local_kernels import WITHDRAWN
from twig_assets.similarity.index.local_words import LocalEntries, merged, sorted_entries
from twig_assets.similarity.index.rows import Rows, WorkText

CHUNK = 4096
"""Works that are made at once."""

WITH_PIXELS = 8
"""One chunk of so many has squeezed pictures, the others a hole in the file: the disk would be full of them."""

FEATURES = 96
"""Local features of a work."""

_COMMON = 1.3


class Pool:
    """Descriptions of real pictures."""

    def __init__(self, rows: Rows) -> None:
        """Take the descriptions of some hundred pictures or more, none of which is looked for."""
        assert rows.pixels is not None
        self.pixels, self.pdq = rows.pixels, rows.pdq
        self.vectors = {name: of_name.astype(np.float32) for name, of_name in rows.vectors.items()}
        local = rows.local
        by_row = np.argsort(local.rows, kind="stable")
        words = np.repeat(np.arange(len(local.starts) - 1), local.starts[1:] - local.starts[:-1])
        self.words, self.signatures = words[by_row], local.signatures[by_row]

    def hashes(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Clustered hashes: uint8 (count, 32).

        One in twenty is within some 8 bits of a real hash, three in twenty within some 32, the rest some 96 away; a few
        of the real ones are very common.
        """
        chosen = self.pdq[self._common(count, rng)].view(np.uint64)
        a, b, c, d, e = rng.integers(0, 2**64, (5, count, 4), dtype=np.uint64)
        kind = rng.random(count)[:, None]
        turned = np.where(kind < 0.05, a & b & c & d & e, np.where(kind < 0.2, a & b & c, a & (b | c)))
        return (chosen ^ turned).view(np.uint8)

    def mixed(self, name: str, count: int, rng: np.random.Generator) -> np.ndarray:
        """Vectors, each of two real ones, float16 (count, length); one in twenty is nearly a real one."""
        of_name = self.vectors[name]
        first, second = self._common(count, rng), rng.integers(0, len(of_name), count)
        share = np.where(rng.random(count) < 0.05, 0.15, rng.uniform(0.5, 1.2, count)).astype(np.float32)
        vectors = of_name[second]
        vectors *= share[:, None]
        vectors += of_name[first]
        vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-6)[:, None]
        return vectors.astype(np.float16)

    def local(self, count: int, rng: np.random.Generator) -> LocalEntries:
        """Local features of some works, FEATURES each: those that lie together in a real picture."""
        starts = rng.integers(0, len(self.words) - FEATURES, count)
        taken = (starts[:, None] + np.arange(FEATURES)).ravel()
        a, b, c = rng.integers(0, 2**64, (3, len(taken)), dtype=np.uint64)
        geometry = rng.integers(0, 2**32, len(taken), dtype=np.uint32)
        rows = np.repeat(np.arange(count, dtype=np.uint32), FEATURES)
        return sorted_entries(self.words[taken], rows, geometry, self.signatures[taken] ^ (a & b & c))

    def parts(self, count: int, first: int, seed: int) -> Iterator[Rows]:
        """Works without local features, CHUNK at a time; `first` is the number of the first."""
        nothing = LocalEntries(*(np.zeros(0, kind) for kind in (np.uint32, np.uint32, np.uint32, np.uint64)))
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            rng = np.random.default_rng((seed, first + start))
            names = rng.bytes(32 * size)
            texts = [_text(first + start + i, names[32 * i : 32 * i + 32]) for i in range(size)]
            vectors = {name: self.mixed(name, size, rng) for name in self.vectors}
            pixels = self.pixels[self._common(size, rng)] if start // CHUNK % WITH_PIXELS == 0 else None
            yield Rows(texts, pixels, self.hashes(size, rng), vectors, nothing)

    def local_parts(self, count: int, first: int, seed: int) -> LocalEntries:
        """The local features of the same works."""
        tables, maps = [], []
        for start in range(0, count, 8 * CHUNK):
            size = min(8 * CHUNK, count - start)
            tables.append(self.local(size, np.random.default_rng((seed, 1, first + start))))
            maps.append(np.arange(start, start + size, dtype=np.uint32))
        assert all(WITHDRAWN not in row_map for row_map in maps)
        return merged(tables, maps)

    def _common(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers of pictures, the first far more often than the last."""
        return (rng.zipf(_COMMON, count) - 1) % len(self.pdq)


def rows_with_pixels(count: int, first: int) -> np.ndarray:
    """Of `count` works that were made as one segment, the rows that have squeezed pictures; `first` is added."""
    rows = np.arange(count)
    return first + rows[rows // CHUNK % WITH_PIXELS == 0]


def is_synthetic(text: WorkText) -> bool:
    """Whether there is no file of this work."""
    return text.path.startswith(_PATH)


_PATH = "/synthetic/"


def _text(number: int, name: bytes) -> WorkText:
    return WorkText(name.hex(), "", f"{_PATH}{number}.png", f"synthetic {number}", "nobody", "none")


def sizes_of(segments: Sequence[int]) -> int:
    """Bytes on disk that works of these numbers take, about, with the vectors of HOG, edges and SSCD."""
    each = 64 * 64 * 3 // WITH_PIXELS + 2 * (1568 + 3104 + 512) + 3 * 70 + 112 + 16 * FEATURES + 200
    return sum(segments) * each
