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
def put(rows, distances, row, distance):
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
def count_inside(starts, query_parts, inside):
    """How many rows the buckets hold that each query would look into.

    Args:
        starts: See `bucketed`.
        query_parts: uint16 (Q, PARTS).
        inside: int64 (Q,), zeros; is filled.
    """
    for part in range(PARTS):
        for q in range(len(query_parts)):
            for bit in range(17):
                # The bit 16 is none of the part's: the bucket of the part itself.
                near = np.int64(query_parts[q, part]) ^ ((1 << bit) & 0xFFFF)
                inside[q] += np.int64(starts[part, near + 1]) - np.int64(starts[part, near])


@kernel
def look_up(hashes, order, starts, queries, query_parts, chosen, most, limit, first, rows, distances):
    """The nearest hashes of some queries within a limit, by buckets; exact.

    Args:
        hashes: uint64 (N, 4).
        order: See `bucketed`.
        starts: See `bucketed`.
        queries: uint64 (Q, 4).
        query_parts: uint16 (Q, PARTS), the same.
        chosen: int64 (n,): which of the queries.
        most: Rows that the buckets hold of one of them, see `count_inside`.
        limit: Bits that may differ, at most MAX_DISTANCE.
        first: Added to rows.
        rows: int64 (Q, K), -1 where there are fewer; is brought up to date.
        distances: int64 (Q, K), 257 where there are fewer; likewise.
    """
    bound = np.uint64(limit)
    # First which rows, then their distances: so the processor fetches many rows at once. Part after part, so that one
    # part's buckets stay in its cache for all queries.
    at_once = np.empty(most, np.uint32)
    for part in range(PARTS):
        for q in chosen:
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
                    put(rows[q], distances[q], first + row, np.int64(distance))
