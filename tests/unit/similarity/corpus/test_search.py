"""Nearest neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twig_assets.similarity.corpus import search
from twig_assets.similarity.corpus.search import BinarySearch, CosineSearch, exact_cosine

seeds = st.integers(0, 2**32 - 1)


def unit(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    vectors = rng.normal(size=(count, length)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 60), st.integers(1, 12), st.integers(1, 20))
def test_cosine_search_in_blocks_finds_what_a_full_sort_finds(seed: int, count: int, k: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = unit(rng, count, 6), unit(rng, 3, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "CHUNK", chunk)
        found = exact_cosine(queries, vectors, k)
    everything = queries @ vectors.T
    wanted = -np.sort(-everything, axis=1)[:, :k]
    np.testing.assert_allclose(found.scores, wanted, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(everything, found.indices, 1), wanted, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 60), st.integers(1, 12))
def test_binary_search_finds_what_counting_bits_finds(seed: int, count: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    codes, queries = (rng.integers(0, 256, (n, 32), dtype=np.uint8) for n in (count, 3))
    found = BinarySearch(codes).nearest(queries, k)
    distances = np.bitwise_count(queries[:, None] ^ codes[None]).sum(axis=2)
    np.testing.assert_array_equal(found.scores, np.sort(distances, axis=1)[:, :k])


def test_above_the_limit_inverted_lists_find_nearly_all_and_the_same_ones_each_time() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng, 4000, 24)
    queries = vectors[:200] + 0.02 * rng.normal(size=(200, 24)).astype(np.float32)
    exact, first, second = (CosineSearch(vectors, limit) for limit in (4000, 3999, 3999))
    assert exact.exact
    assert not first.exact
    wanted, found = exact.nearest(queries, 1), first.nearest(queries, 1)
    assert (wanted.indices == np.arange(200)[:, None]).all()
    assert (found.indices == wanted.indices).mean() > 0.9
    np.testing.assert_array_equal(found.indices, second.nearest(queries, 1).indices)
