"""PDQ hashes by multi-index hashing: every work within 31 bits of an image, without a look at all of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.index.pdq_kernels import BUCKETS, MAX_DISTANCE, PARTS, bucketed, look_up

__all__ = ["MAX_DISTANCE", "Found", "HashTable", "look_up_all", "tables_of"]

BUCKETED_FROM = 4096
"""Fewer hashes are compared with one after the other: their buckets would take more room than they do."""

_DENSE_SHARE = 0.25
_ABSENT = 257


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
        exhaustive: How many queries were compared with all of a segment, since their buckets were too full.
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
            dense = int(_DENSE_SHARE * len(table.hashes))
            numbers, parts = queries[some].view(np.uint64), queries[some].view(np.uint16)
            hashes = table.hashes.view(np.uint64)
            looked = look_up(
                hashes, table.order, table.starts, numbers, parts, limit, dense, first, rows[some], distances[some]
            )
            counts = (counts[0] + looked[0], counts[1] + looked[1])
        return counts

    if threads == 1:
        looked = [part(slice(0, len(queries)))]
    else:
        edges = np.linspace(0, len(queries), threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            looked = list(pool.map(part, [slice(*pair) for pair in zip(edges, edges[1:], strict=False)]))
    return Found(rows, distances, sum(pair[0] for pair in looked), sum(pair[1] for pair in looked))
