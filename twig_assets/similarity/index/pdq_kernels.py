"""Compiled kernels that find 256-bit hashes within a distance.

Source: Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012. Of 16 parts of
16 bits, two hashes that differ in at most 31 bits have one that differs in at most one bit.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from twig_assets.similarity.structural.kernels import Function, compiled

PARTS = 16
BUCKETS = 1 << 16
MAX_DISTANCE = 31
"""Up to this many differing bits nothing is missed: 16 parts of which each differs in two bits differ in 32."""


@intrinsic
def bits(_context, number):
    """How many bits of a 64-bit number are set."""

    def generate(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def kernel(function: Function) -> Function:
    """Compile at the first call, see `compiled`."""
    return compiled(function, {"nogil": True})


def inlined(function: Function) -> Function:
    """Compile into whatever calls it."""
    return compiled(function, {"nogil": True, "inline": "always"})


@kernel
def bucketed(parts, order, starts):
    """Sort rows into buckets by each part, in order of row within a bucket.

    Args:
        parts: uint16 (N, PARTS), the hashes.
        order: uint32 (PARTS, N), is filled with rows.
        starts: uint32 (PARTS, BUCKETS + 1), is filled with where each bucket starts; zeros before.
    """
    for part in range(PARTS):
        for row in range(len(parts)):
            starts[part, np.int64(parts[row, part]) + 1] += 1
        for bucket in range(BUCKETS):
            starts[part, bucket + 1] += starts[part, bucket]
        places = starts[part, :BUCKETS].copy()
        for row in range(len(parts)):
            bucket = parts[row, part]
            order[part, places[bucket]] = row
            places[bucket] += 1


@kernel
def _put(rows, distances, row, distance):
    """Insert a row into lists in order of distance and row, unless it is there or farther than all."""
    last = len(rows) - 1
    if distance > distances[last] or (distance == distances[last] and row >= rows[last] >= 0):
        return
    place = last
    for i in range(len(rows)):
        if rows[i] == row and distances[i] == distance:
            return
        if distance < distances[i] or (distance == distances[i] and (rows[i] < 0 or row < rows[i])):
            place = i
            break
    for i in range(last, place, -1):
        rows[i], distances[i] = rows[i - 1], distances[i - 1]
    rows[place], distances[place] = row, distance


@inlined
def _distance(hashes, row, a, b, c, d, limit):
    """Bits that differ; of the first half only where these are more than the limit."""
    distance = bits(hashes[row, 0] ^ a) + bits(hashes[row, 1] ^ b)
    if distance <= limit:
        distance += bits(hashes[row, 2] ^ c) + bits(hashes[row, 3] ^ d)
    return distance


@kernel
def look_up(hashes, order, starts, queries, query_parts, limit, dense, first, rows, distances):
    """The nearest hashes of each query within a limit; exact.

    A query whose buckets hold more rows than a share of all is compared with every row instead: of real hashes some
    parts are common, such as those of plain grounds.

    Args:
        hashes: uint64 (N, 4).
        order: See `bucketed`.
        starts: See `bucketed`; (PARTS, 0) if there are no buckets, and every query is compared with every row.
        queries: uint64 (Q, 4).
        query_parts: uint16 (Q, PARTS), the same.
        limit: Bits that may differ, at most MAX_DISTANCE.
        dense: Rows in buckets from which on every row is compared with.
        first: Added to rows.
        rows: int64 (Q, K), -1 where there are fewer; is brought up to date.
        distances: int64 (Q, K), 257 where there are fewer; likewise.

    Returns:
        How many rows were looked at, and how many queries were compared with every row.
    """
    looked, exhaustive = 0, 0
    bound = np.uint64(limit)
    inside = np.zeros(len(queries), np.int64)
    has_buckets = starts.shape[1] > 0
    if not has_buckets:
        inside[:] = dense + 1
    for part in range(PARTS if has_buckets else 0):
        for q in range(len(queries)):
            for bit in range(17):
                # The bit 16 is none of the part's: the bucket of the part itself.
                near = np.int64(query_parts[q, part]) ^ ((1 << bit) & 0xFFFF)
                inside[q] += np.int64(starts[part, near + 1]) - np.int64(starts[part, near])
    for q in range(len(queries)):
        if inside[q] <= dense:
            looked += inside[q]
            continue
        looked, exhaustive = looked + len(hashes), exhaustive + (1 if has_buckets else 0)
        a, b, c, d = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
        for row in range(len(hashes)):
            distance = _distance(hashes, row, a, b, c, d, bound)
            if distance <= bound:
                _put(rows[q], distances[q], first + row, np.int64(distance))
    # First which rows, then their distances: so the processor fetches many rows at once. Part after part, so that one
    # part's buckets stay in its cache for all queries.
    at_once = np.empty(dense + 1, np.uint32)
    for part in range(PARTS if has_buckets else 0):
        for q in range(len(queries)):
            if inside[q] > dense:
                continue
            count = 0
            for bit in range(17):
                near = np.int64(query_parts[q, part]) ^ ((1 << bit) & 0xFFFF)
                for place in range(np.int64(starts[part, near]), np.int64(starts[part, near + 1])):
                    at_once[count] = order[part, place]
                    count += 1
            a, b, c, d = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
            for i in range(count):
                row = np.int64(at_once[i])
                distance = _distance(hashes, row, a, b, c, d, bound)
                if distance <= bound:
                    _put(rows[q], distances[q], first + row, np.int64(distance))
    return looked, exhaustive
