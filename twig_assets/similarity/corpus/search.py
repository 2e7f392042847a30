"""The nearest references by a descriptor: exact up to about a million, by inverted lists above."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK = 16_384
EXACT_UP_TO = 1_000_000
"""Up to this many references, each is compared with; above, cosine search looks only into the nearest lists."""

_PROBED_SHARE = 0.1
_SEED = 20250421


@dataclass(frozen=True)
class Nearest:
    """The k nearest references of Q queries, the nearest first.

    Attributes:
        indices: int64 (Q, k); -1 where there are fewer.
        scores: float32 (Q, k): the cosine, or the distance in bits; NaN where there are fewer.
    """

    indices: np.ndarray
    scores: np.ndarray


class CosineSearch:
    """Unit vectors, searched by cosine."""

    def __init__(self, vectors: np.ndarray, exact_up_to: int = EXACT_UP_TO):
        """Index vectors.

        Args:
            vectors: float16 or float32 array of shape (N, D), rows of unit length.
            exact_up_to: From more vectors on, inverted lists are used and recall has to be measured.
        """
        self.vectors = vectors
        self.exact = len(vectors) <= exact_up_to
        self._lists: Any = None if self.exact else _inverted_lists(vectors)

    def nearest(self, queries: np.ndarray, k: int) -> Nearest:
        """The k vectors nearest to each query.

        Args:
            queries: float16 or float32 array of shape (Q, D), rows of unit length.
            k: How many.
        """
        if self._lists is None:
            return exact_cosine(queries, self.vectors, k)
        scores, indices = self._lists.search(np.ascontiguousarray(queries, np.float32), min(k, len(self.vectors)))
        return Nearest(indices, np.where(indices < 0, np.nan, scores).astype(np.float32))


def exact_cosine(queries: np.ndarray, vectors: np.ndarray, k: int) -> Nearest:
    """Compare every query with every vector, a block at a time.

    Args:
        queries: float16 or float32 array of shape (Q, D).
        vectors: float16 or float32 array of shape (N, D); may be memory-mapped.
        k: How many to keep; all when there are fewer.
    """
    wanted = np.asarray(queries, np.float32)
    scores = np.zeros((len(wanted), 0), np.float32)
    indices = np.zeros((len(wanted), 0), np.int64)
    for start in range(0, len(vectors), CHUNK):
        block_scores, columns = _largest(wanted @ np.asarray(vectors[start : start + CHUNK], np.float32).T, k)
        indices = np.concatenate([indices, columns + start], axis=1)
        scores = np.concatenate([scores, block_scores], axis=1)
    order = np.lexsort((indices, -scores), axis=1)[:, :k]
    return Nearest(np.take_along_axis(indices, order, 1), np.take_along_axis(scores, order, 1))


def _largest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of each row, in no order, and their columns."""
    if scores.shape[1] <= k:
        return scores, np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    columns = np.argpartition(scores, -k, axis=1)[:, -k:]
    return np.take_along_axis(scores, columns, 1), columns


class BinarySearch:
    """Bit strings, searched by the number of bits that differ; always exact (32 bytes and some 1.5 ns a reference)."""

    def __init__(self, codes: np.ndarray):
        """Index codes.

        Args:
            codes: uint8 array of shape (N, bytes).
        """
        import faiss

        self.exact = True
        self._index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
        self._index.add(np.ascontiguousarray(codes))

    def nearest(self, queries: np.ndarray, k: int) -> Nearest:
        """The k codes nearest to each query: uint8 (Q, bytes)."""
        distances, indices = self._index.search(np.ascontiguousarray(queries), min(k, self._index.ntotal))
        return Nearest(indices, distances.astype(np.float32))


def _inverted_lists(vectors: np.ndarray) -> Any:
    import faiss

    # faiss wants 39 vectors or more to train each list on.
    count = max(1, min(round(4 * np.sqrt(len(vectors))), len(vectors) // 39))
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{count},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = _SEED
    rng = np.random.default_rng(_SEED)
    sample = np.sort(rng.choice(len(vectors), min(len(vectors), 40 * count), replace=False))
    index.train(np.asarray(vectors[sample], np.float32))
    for start in range(0, len(vectors), CHUNK):
        index.add(np.asarray(vectors[start : start + CHUNK], np.float32))
    index.nprobe = max(1, round(_PROBED_SHARE * count))
    return index
