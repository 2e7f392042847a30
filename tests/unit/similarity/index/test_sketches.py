import numpy as np
import pytest

from twig_assets.similarity.index import sketches
from twig_assets.similarity.index.sketches import SegmentVectors, compared_with_all, nearest_vectors, sketched


def unit(rng: np.random.Generator, count: int, length: int = 96) -> np.ndarray:
    spread = np.exp(-np.arange(length) / 20)
    vectors = rng.standard_normal((count, length)) * spread
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def segments() -> list[SegmentVectors]:
    rng = np.random.default_rng(3)
    large, small = unit(rng, 5000), unit(rng, 70)
    return [SegmentVectors(large, sketched(large)), SegmentVectors(small, None)]


def queries(segments: list[SegmentVectors]) -> np.ndarray:
    rng = np.random.default_rng(4)
    copied = np.concatenate([segments[0].vectors[::700], segments[1].vectors[:3]]).astype(np.float32)
    turned = unit(rng, 2 * len(copied)).reshape(len(copied), 2, -1).astype(np.float32)
    noisy = copied + 0.05 * rng.standard_normal(copied.shape)
    turned[:, 1] = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return turned


@pytest.mark.parametrize("every", [True, False])
def test_copies_come_first_with_their_exact_cosine(segments: list[SegmentVectors], every: bool) -> None:
    wanted = queries(segments)
    near = nearest_vectors(segments, wanted, 4, every=every)
    rows = [*range(0, 5000, 700), 5000, 5001, 5002]
    assert near.indices[:, 0].tolist() == rows
    everything = np.concatenate([segment.vectors for segment in segments]).astype(np.float32)
    exact = [(query @ everything[row]).max() for query, row in zip(wanted, rows, strict=True)]
    np.testing.assert_allclose(near.scores[:, 0], exact, rtol=1e-5)
    assert (np.diff(near.scores, axis=1) <= 0).all()


def test_scanning_every_sketch_finds_nearly_all_of_the_nearest(segments: list[SegmentVectors]) -> None:
    wanted = queries(segments)
    near = nearest_vectors(segments, wanted, 8)
    everything = np.concatenate([segment.vectors for segment in segments])
    scores = np.concatenate([part for _, _, part in compared_with_all(everything, wanted)], axis=1)
    best = np.argsort(-scores, axis=1)[:, :8]
    shares = [len(set(a) & set(b)) / 8 for a, b in zip(near.indices.tolist(), best.tolist(), strict=True)]
    assert np.mean(shares) > 0.97


def test_only_the_nearest_lists_are_scanned(segments: list[SegmentVectors], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "PROBED", 1)
    rows = nearest_vectors(segments[:1], segments[0].vectors[:1, None].astype(np.float32), 5000, every=False).indices
    assert rows[0, 0] == 0
    assert 0 < (rows >= 0).sum() < 1000


def test_the_same_vectors_give_the_same_sketches() -> None:
    vectors = unit(np.random.default_rng(5), 600)
    for a, b in zip(sketched(vectors), sketched(vectors), strict=True):
        assert a.tobytes() == b.tobytes()


def test_fewer_vectors_than_asked_for() -> None:
    few = SegmentVectors(unit(np.random.default_rng(1), 3), None)
    near = nearest_vectors([few], np.ones((1, 1, 96), np.float32), 5)
    assert sorted(near.indices[0, :3].tolist()) == [0, 1, 2]
    assert near.indices[0, 3:].tolist() == [-1, -1]
    assert np.isnan(near.scores[0, 3:]).all()
