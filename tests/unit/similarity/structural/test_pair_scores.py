"""The scores behind an audit: what is listed equals scikit-image's own, whatever the engine rounds."""

import numpy as np
import pytest

from twig_assets.similarity import ssim_map
from twig_assets.similarity.orientations import ORIENTATIONS, oriented, oriented_stack, resized
from twig_assets.similarity.structural.information import iw_ssim
from twig_assets.similarity.structural.pair_scores import make_exact, pair_scores


def oracle(query: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    maps = np.stack([ssim_map(query, turned) for turned in oriented_stack(reference, *query.shape[:2], 8)])
    inside = mask[5:-5, 5:-5]
    return maps.mean(axis=(1, 2)), (maps * inside).sum(axis=(1, 2)) / max(1, inside.sum())


@pytest.fixture(scope="module")
def references(works: np.ndarray) -> list[np.ndarray]:
    """The works, flat grounds that score almost alike, and noise of another size."""
    rng = np.random.default_rng(0)
    flats = [np.full((64, 64, 3), 250 - i // 2, np.uint8) for i in range(6)]
    return [*works, *flats, rng.integers(0, 256, (40, 90, 3), dtype=np.uint8)]


def test_what_is_listed_is_exact_and_in_the_order_of_scikit_image(
    works: np.ndarray, references: list[np.ndarray]
) -> None:
    rng = np.random.default_rng(1)
    queries = np.stack([works[0], works[3][:, ::-1], (works[5] + rng.normal(0, 30, works[5].shape)).clip(0, 255)])
    queries = queries.astype(np.uint8)
    masks = np.zeros(queries.shape[:3], bool)
    masks[:, 12:40, 20:50] = True
    found = pair_scores(queries, references, masks=masks, orientations=8, listed=5)
    for row, query in enumerate(queries):
        whole, masked = zip(*(oracle(query, reference, masks[row]) for reference in references), strict=True)
        best, best_masked = np.max(whole, axis=1), np.max(masked, axis=1)
        order = np.argsort(-best, kind="stable")[:5]
        np.testing.assert_array_equal(np.argsort(-found.whole[row], kind="stable")[:5], order)
        np.testing.assert_allclose(found.whole[row, order], best[order], atol=1e-9)
        np.testing.assert_array_equal(found.whole_orientation[row, order], np.argmax(whole, axis=1)[order])
        first = best_masked.argmax()
        assert found.masked[row].argmax() == first
        assert found.masked[row, first] == pytest.approx(best_masked[first], abs=1e-12)
        assert found.masked_orientation[row, first] == np.argmax(masked[first])
        np.testing.assert_allclose(found.whole[row], best, atol=1e-4)
        np.testing.assert_allclose(found.masked[row], best_masked, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (40, 75)])
def test_without_masks_all_that_is_listed_is_exact_in_every_orientation(
    works: np.ndarray, references: list[np.ndarray], size: tuple[int, int]
) -> None:
    queries = np.stack([resized(oriented(works[i], name), *size) for i, name in enumerate(ORIENTATIONS)])
    found = pair_scores(queries, references, masks=None, orientations=8, listed=len(references))
    for row, query in enumerate(queries):
        for column, reference in enumerate(references):
            stack = oriented_stack(reference, *size, 8)
            scores = np.array([ssim_map(query, turned).mean() for turned in stack])
            turn = int((scores >= scores.max() - 1e-9).argmax())
            assert found.whole[row, column] == pytest.approx(scores[turn], abs=1e-11)
            assert found.whole_orientation[row, column] == turn
            assert found.informed[row, column] == pytest.approx(iw_ssim(query, stack[turn]), abs=1e-11)
    assert np.isnan(found.masked).all()


def test_an_empty_mask_has_no_scores(works: np.ndarray, references: list[np.ndarray]) -> None:
    masks = np.zeros((2, 64, 64), bool)
    masks[1, 20:40, 20:40] = True
    found = pair_scores(works[:2], references, masks=masks, orientations=1, listed=2)
    assert np.isnan(found.masked[0]).all()
    assert np.isfinite(found.masked[1]).all()


def test_a_pair_below_the_list_can_be_made_exact(works: np.ndarray, references: list[np.ndarray]) -> None:
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 12:40, 20:50] = True
    found = pair_scores(works[:1], references, masks=masks, orientations=8, listed=1)
    last = int(found.whole[0].argmin())
    whole, masked = oracle(works[0], references[last], masks[0])
    make_exact(found, 0, last, works[0], references[last], masks[0])
    assert found.whole[0, last] == pytest.approx(whole.max(), abs=1e-9)
    assert found.whole_orientation[0, last] == whole.argmax()
    assert found.masked[0, last] == pytest.approx(masked.max(), abs=1e-12)
    assert found.masked_orientation[0, last] == masked.argmax()
