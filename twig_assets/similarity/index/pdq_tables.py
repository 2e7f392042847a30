"""PDQ hashes by multi-index hashing: every work within 31 bits of an image, without a look at all of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from llvmlite.binding import get_host_cpu_features

from twig_assets.similarity.index.pdq_kernels import BUCKETS, MAX_DISTANCE, PARTS, bucketed, count_inside, look_up
from twig_assets.similarity.index.pdq_scan import scan

__all__ = ["MAX_DISTANCE", "Found", "HashTable", "look_up_all", "tables_of"]

BUCKETED_FROM = 16384
"""Fewer hashes are all compared with, which takes less time than a look into the buckets."""

_ABSENT = 257

# What decides between buckets and all rows: nanoseconds on the machine of the benchmark, of which the ratios count.
_ALL_BUCKETS = 17_000.0
_ROW_IN_BUCKET = 19.0
_ROW_READ = 1.0
_ROW_COMPARED = 0.1 if get_host_cpu_features().get("avx512vpopcntdq") else 0.35


class HashTable(NamedTuple):
    """The hashes of one segment and their buckets, in memory or mapped from files.

    Attributes:
        hashes: uint8 (N, 32).
        order: uint32 (16, N): rows, bucket after bucket, for each part of 16 bits; (16, 0) if N is small.
        starts: uint32 (16, 65537): where each bucket starts; likewise.
    """

    hashes: np.ndarray
    order: np.ndarray
    starts: np.ndarray


class Found(NamedTuple):
    """The nearest hashes of Q queries, the nearest first, of equals the first row.

    Attributes:
        rows: int64 (Q, K), counted through all segments; -1 where there are fewer.
        distances: int64 (Q, K), bits that differ; 257 where there are fewer.
        looked_at: Rows that the queries were compared with, all together.
        exhaustive: How many times a query was compared with all of a segment that has buckets.
    """

    rows: np.ndarray
    distances: np.ndarray
    looked_at: int
    exhaustive: int


def tables_of(hashes: np.ndarray) -> HashTable:
    """Sort hashes into buckets.

    Args:
        hashes: uint8 array of shape (N, 32), N below 2**32.
    """
    hashes = np.ascontiguousarray(hashes)
    if len(hashes) < BUCKETED_FROM:
        return HashTable(hashes, np.empty((PARTS, 0), np.uint32), np.empty((PARTS, 0), np.uint32))
    order = np.empty((PARTS, len(hashes)), np.uint32)
    starts = np.zeros((PARTS, BUCKETS + 1), np.uint32)
    bucketed(hashes.view(np.uint16), order, starts)
    return HashTable(hashes, order, starts)


def look_up_all(
    tables: Sequence[HashTable], queries: np.ndarray, limit: int = MAX_DISTANCE, most: int = 16, threads: int = 1
) -> Found:
    """The nearest hashes of each query in all segments; none within the limit is missed but beyond the first `most`.

    Args:
        tables: Those of each segment.
        queries: uint8 array of shape (Q, 32).
        limit: Bits that may differ, at most MAX_DISTANCE.
        most: How many are kept of each query.
        threads: How many parts of the queries are looked up at once.

    Raises:
        ValueError: If the limit is above MAX_DISTANCE.
    """
    if limit > MAX_DISTANCE:
        raise ValueError(f"limit: {limit} bits cannot be looked up exactly; choose at most {MAX_DISTANCE}")
    queries = np.ascontiguousarray(queries)
    rows = np.full((len(queries), most), -1, np.int64)
    distances = np.full((len(queries), most), _ABSENT, np.int64)
    firsts = np.concatenate([[0], np.cumsum([len(table.hashes) for table in tables])]).tolist()

    def part(some: slice) -> tuple[int, int]:
        counts = (0, 0)
        # Segment after segment, so that one segment's hashes stay in the processor's cache for all queries.
        for table, first in zip(tables, firsts, strict=False):
            looked = _look_up(table, queries[some], limit, first, rows[some], distances[some])
            counts = (counts[0] + looked[0], counts[1] + looked[1])
        return counts

    if threads == 1:
        looked = [part(slice(0, len(queries)))]
    else:
        edges = np.linspace(0, len(queries), threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            looked = list(pool.map(part, [slice(*pair) for pair in zip(edges, edges[1:], strict=False)]))
    return Found(rows, distances, sum(pair[0] for pair in looked), sum(pair[1] for pair in looked))


def _look_up(
    table: HashTable, queries: np.ndarray, limit: int, first: int, rows: np.ndarray, distances: np.ndarray
) -> tuple[int, int]:
    """Bring what is known of each query up to date by one segment; rows looked at, and queries compared with all."""
    hashes, numbers = table.hashes.view(np.uint64), queries.view(np.uint64)
    if table.starts.shape[1] == 0:
        scan(hashes, numbers, np.arange(len(queries)), limit, first, rows, distances)
        return len(queries) * len(hashes), 0
    parts, inside = queries.view(np.uint16), np.zeros(len(queries), np.int64)
    count_inside(table.starts, parts, inside)
    crowded = _with_all(inside, len(hashes))
    if len(crowded):
        scan(hashes, numbers, crowded, limit, first, rows, distances)
        inside[crowded] = 0
    if len(crowded) < len(queries):
        others = np.flatnonzero(inside)
        most = int(inside.max(initial=0))
        look_up(hashes, table.order, table.starts, numbers, parts, others, most, limit, first, rows, distances)
    return len(crowded) * len(hashes) + int(inside.sum()), len(crowded)


def _with_all(inside: np.ndarray, count: int) -> np.ndarray:
    """The queries that are better compared with all of `count` rows than with those inside their buckets.

    Of real hashes some parts are common, such as those of plain grounds. And a row that is read is compared with many
    queries in the time that one takes to find a row through its bucket.
    """
    saved = _ALL_BUCKETS + _ROW_IN_BUCKET * inside - _ROW_COMPARED * count
    chosen = np.flatnonzero(saved > 0)
    return chosen if saved[chosen].sum() > _ROW_READ * count else chosen[:0]
