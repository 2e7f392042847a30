"""Hashes compared with every row of a segment, eight rows at a time and a block of rows with many queries.

LLVM turns one operation on LANES numbers into what the processor has: AVX-512 counts bits eight numbers at a time, AVX2
and NEON by tables. A row costs a query some tenth of a nanosecond so, where a look at a row in a bucket costs a wait
for the memory. Numba's cache on disk does not notice a change of what is inlined from another file.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from twig_assets.similarity.index.pdq_kernels import bits, inlined, kernel, put

LANES = 8
"""Rows that are compared at once."""

GROUP = 64
"""Rows of which it is asked at once whether one may be near."""

BLOCK = 2048
"""Rows that are compared with all queries before the next are: they fit in the first caches; a multiple of GROUP."""

WORDS = 4

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)


@kernel
def scan(hashes, queries, chosen, limit, first, rows, distances):
    """Compare some queries with every row; exact.

    Args:
        hashes: uint64 (N, 4).
        queries: uint64 (Q, 4).
        chosen: int64 (n,): which of the queries.
        limit: Bits that may differ.
        first: Added to rows.
        rows: int64 (Q, K), all before `first`, -1 where there are fewer; is brought up to date.
        distances: int64 (Q, K), 257 where there are fewer; likewise.
    """
    columns = np.zeros(WORDS * BLOCK, np.uint64)
    for start in range(0, len(hashes), BLOCK):
        count = min(BLOCK, len(hashes) - start)
        _turn(hashes, start, count, columns)
        for q in chosen:
            a, b, c, d = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
            bound = _bound(distances[q], limit)
            for group in range(0, count, GROUP):
                if not _some_near(columns, group, a, b, bound):
                    continue
                for at in range(group, min(group + GROUP, count), LANES):
                    near = _near(columns, at, a, b, c, d, bound)
                    row = at
                    while near > 0:
                        if near & 1 and row < count:
                            distance = _distance(columns, row, a, b, c, d)
                            put(rows[q], distances[q], first + start + row, np.int64(distance))
                        near, row = near >> 1, row + 1
                bound = _bound(distances[q], limit)


@inlined
def _bound(distances, limit):
    """The bits in which a row may differ that is put into a list; in a full one it would come after its equals."""
    return np.uint64(max(0, min(limit, distances[-1] - 1)))


@inlined
def _distance(columns, row, a, b, c, d):
    half = bits(columns[row] ^ a) + bits(columns[BLOCK + row] ^ b)
    return half + bits(columns[2 * BLOCK + row] ^ c) + bits(columns[3 * BLOCK + row] ^ d)


@inlined
def _turn(hashes, start, count, columns):
    """Copy rows so that the first words of all lie side by side, and so on."""
    whole = count - count % LANES
    for at in range(0, whole, LANES):
        _turn_some(hashes, (start + at) * WORDS, columns, at)
    for row in range(whole, count):
        for word in range(WORDS):
            columns[word * BLOCK + row] = hashes[start + row, word]


@intrinsic
def _turn_some(_context, hashes, place, columns, at):
    """The same of LANES rows, from a number of the hashes on."""

    def generate(context, builder, signature, arguments):
        source = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        target = context.make_array(signature.args[2])(context, builder, arguments[2]).data
        pairs = [builder.load(_at(builder, source, arguments[1], LANES * i), align=8) for i in range(WORDS)]
        # Of four rows the words 0 and 1, and 2 and 3; then of eight rows each word.
        low = [_shuffled(builder, *pairs[i : i + 2], [0, 4, 8, 12, 1, 5, 9, 13]) for i in (0, 2)]
        high = [_shuffled(builder, *pairs[i : i + 2], [2, 6, 10, 14, 3, 7, 11, 15]) for i in (0, 2)]
        for word in range(WORDS):
            start = word % 2 * WORDS
            lanes = [*range(start, start + WORDS), *range(LANES + start, LANES + start + WORDS)]
            column = _shuffled(builder, *(low if word < 2 else high), lanes)
            builder.store(column, _at(builder, target, arguments[3], word * BLOCK), align=8)
        return context.get_dummy_value()

    return types.none(hashes, types.intp, columns, types.intp), generate


@intrinsic
def _some_near(_context, columns, at, a, b, bound):
    """Whether the first half of one of GROUP rows differs in no more bits than the bound."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        words = [_splat(builder, word) for word in arguments[2:4]]
        sums = [_differing(builder, data, arguments[1], offset, words) for offset in range(0, GROUP, LANES)]
        least = sums[0]
        for further in sums[1:]:
            least = builder.select(builder.icmp_unsigned("<", further, least), further, least)
        inside = _inside(builder, least, arguments[4])
        return builder.icmp_unsigned("!=", inside, ir.Constant(inside.type, 0))

    return types.boolean(columns, types.intp, types.uint64, types.uint64, types.uint64), generate


@intrinsic
def _near(_context, columns, at, a, b, c, d, bound):
    """Which of LANES rows differ in no more bits than the bound: a bit for each."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        words = [_splat(builder, word) for word in arguments[2:6]]
        inside = _inside(builder, _differing(builder, data, arguments[1], 0, words), arguments[6])
        return builder.zext(inside, _WORD)

    return types.int64(columns, types.intp, *[types.uint64] * 5), generate


def _differing(builder, data, at, offset, words):
    """In how many bits the first words of LANES rows differ from these words, lane by lane."""
    count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), "llvm.ctpop.v8i64")
    counts = []
    for number, word in enumerate(words):
        column = builder.load(_at(builder, data, at, number * BLOCK + offset), align=8)
        counts.append(builder.call(count, [builder.xor(column, word)]))
    total = counts[0]
    for further in counts[1:]:
        total = builder.add(total, further)
    return total


def _inside(builder, counts, bound):
    """A bit for each lane: whether it is at most the bound."""
    return builder.bitcast(builder.icmp_unsigned("<=", counts, _splat(builder, bound)), ir.IntType(LANES))


def _at(builder, data, index, offset):
    place = builder.add(index, ir.Constant(index.type, offset))
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


def _splat(builder, number):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    filled = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, filled, undefined, [0] * LANES)


def _shuffled(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))
