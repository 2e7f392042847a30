import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twig_assets.similarity.index.pdq_scan import BLOCK, scan
from twig_assets.similarity.index.pdq_tables import BUCKETED_FROM, HashTable, look_up_all, tables_of


def clustered(count: int, rng: np.random.Generator) -> np.ndarray:
    centres = rng.integers(0, 256, (count // 20, 32), dtype=np.uint8)
    hashes = centres[rng.integers(0, len(centres), count)]
    for _ in range(20):
        byte, bit = rng.integers(0, 32, count), rng.integers(0, 8, count)
        hashes[np.arange(count), byte] ^= (1 << bit).astype(np.uint8)
    return hashes


def exhaustive(hashes: np.ndarray, query: np.ndarray, limit: int, most: int) -> list[tuple[int, int]]:
    bits = np.bitwise_count(hashes ^ query).sum(axis=1).tolist()
    return sorted((distance, row) for row, distance in enumerate(bits) if distance <= limit)[:most]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("limit", [0, 13, 31])
def test_look_up_finds_what_comparing_with_all_finds(limit: int, threads: int) -> None:
    rng = np.random.default_rng(limit)
    hashes = clustered(2 * BUCKETED_FROM + 50, rng)
    tables = [tables_of(hashes[:BUCKETED_FROM]), tables_of(hashes[BUCKETED_FROM : 2 * BUCKETED_FROM])]
    tables.append(tables_of(hashes[2 * BUCKETED_FROM :]))
    assert tables[2].order.shape == (16, 0)
    queries = np.concatenate([hashes[::900], clustered(20, rng)])
    found = look_up_all(tables, queries, limit, 5, threads)
    for query, rows, distances in zip(queries, found.rows, found.distances, strict=True):
        wanted = exhaustive(hashes, query, limit, 5)
        assert list(zip(distances.tolist(), rows.tolist(), strict=True)) == wanted + [(257, -1)] * (5 - len(wanted))
    assert (found.rows[:, 0] >= 0).sum() >= len(hashes[::900])


def test_a_query_alone_is_looked_up_in_buckets_and_finds_what_it_finds_among_many() -> None:
    hashes = clustered(2 * BUCKETED_FROM, np.random.default_rng(5))
    table = tables_of(hashes)
    queries = np.concatenate([hashes[::200], clustered(20, np.random.default_rng(6))])
    together = look_up_all([table], queries)
    assert together.exhaustive == len(queries)
    alone = [look_up_all([table], query[None]) for query in queries[::8]]
    assert sum(found.exhaustive for found in alone) == 0
    assert np.concatenate([found.rows for found in alone]).tolist() == together.rows[::8].tolist()
    assert np.concatenate([found.distances for found in alone]).tolist() == together.distances[::8].tolist()


@settings(max_examples=40, deadline=None)
@given(
    count=st.one_of(st.integers(0, 200), st.integers(BLOCK - 9, 2 * BLOCK + 70)),
    first=st.integers(0, 10**7),
    limit=st.integers(0, 31),
    most=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_scan_finds_the_nearest_rows_of_any_number(count: int, first: int, limit: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few centres, so that there are more rows near a query than are kept, and many at the same distance.
    centres = rng.integers(0, 256, (3, 32), dtype=np.uint8)
    turned = np.bitwise_and.reduce(rng.integers(0, 256, (rng.integers(3, 6), count + 5, 32), dtype=np.uint8), axis=0)
    drawn = centres[rng.integers(0, 3, count + 5)] ^ turned
    hashes, queries = drawn[:count], drawn[count:]
    rows, distances = np.full((5, most), -1), np.full((5, most), 257)
    scan(hashes.view(np.uint64), queries.view(np.uint64), np.array([0, 1, 3, 4]), limit, first, rows, distances)
    assert rows[2].max() == -1
    for q in (0, 1, 3, 4):
        wanted = [(distance, first + row) for distance, row in exhaustive(hashes, queries[q], limit, most)]
        nothing = [(257, -1)] * (most - len(wanted))
        assert list(zip(distances[q].tolist(), rows[q].tolist(), strict=True)) == wanted + nothing


def test_hashes_that_differ_in_two_bits_of_each_part_are_at_the_limit_of_what_is_missed() -> None:
    hashes = np.zeros((BUCKETED_FROM, 32), np.uint8)
    hashes[1:] = np.random.default_rng(0).integers(1, 256, (BUCKETED_FROM - 1, 32), dtype=np.uint8)
    query = np.zeros((1, 32), np.uint8)
    query.view(np.uint16)[:] = 3
    query.view(np.uint16)[0, 5] = 1
    assert look_up_all([tables_of(hashes)], query).distances[0, 0] == 31
    with pytest.raises(ValueError, match="at most 31"):
        look_up_all([tables_of(hashes)], query, 32)


def test_queries_in_crowded_buckets_are_compared_with_every_row() -> None:
    hashes = np.zeros((2 * BUCKETED_FROM, 32), np.uint8)
    hashes[:, 0] = np.arange(len(hashes)) % 256
    table = tables_of(hashes)
    found = look_up_all([table], np.zeros((1, 32), np.uint8), 31, 3)
    assert (found.exhaustive, found.looked_at) == (1, len(hashes))
    assert found.rows[0].tolist() == [0, 256, 512]
    far = look_up_all([table], np.full((1, 32), 255, np.uint8), 31, 3)
    assert (far.exhaustive, far.rows[0, 0]) == (0, -1)


def test_no_hashes_at_all() -> None:
    empty = HashTable(*tables_of(np.zeros((0, 32), np.uint8)))
    assert look_up_all([empty], np.zeros((2, 32), np.uint8)).rows.max() == -1
