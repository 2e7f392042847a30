"""The engine: against scikit-image pair by pair, and the laws that every scan obeys."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import data

from twig_assets.similarity import ssim_above, ssim_all_pairs, ssim_map, wang_ssim
from twig_assets.similarity.orientations import ORIENTATIONS, oriented
from twig_assets.similarity.structural import scan
from twig_assets.similarity.structural.scan import ERROR

PICTURES = arrays(np.uint8, (16, 16, 3))
few = settings(max_examples=25, deadline=None)


@st.composite
def unlike(draw: st.DrawFn) -> np.ndarray:
    """Two stacks of pictures of one odd size: noise, flat areas, gradients and slightly changed copies; RGB or grey."""
    height, width, channels = draw(st.integers(11, 60)), draw(st.integers(11, 150)), draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = rng.integers(0, 256, (height, width, channels))
    flat = np.full_like(noise, draw(st.integers(0, 255)))
    ramp = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], noise.shape)
    half = np.where(np.arange(height)[:, None, None] < height // 2, flat, noise)
    copy = noise + rng.normal(0, draw(st.floats(0.5, 60)), noise.shape)
    return np.stack([noise, flat, ramp, half, copy, ramp + rng.normal(0, 3, noise.shape)]).clip(0, 255).astype(np.uint8)


def photographs(side: int) -> np.ndarray:
    """Crops of scikit-image's sample photographs, each also with noise, brighter, and shifted by a pixel."""
    rng, found = np.random.default_rng(0), []
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = getattr(data, name)()
        crop = picture[40 : 41 + side, 60 : 61 + side]
        clean = crop[:side, :side]
        noisy = clean + rng.normal(0, 10, clean.shape)
        found += [clean, noisy.clip(0, 255), (clean * 1.15).clip(0, 255), crop[1:, 1:]]
    return np.stack(found).astype(np.uint8)


def brute_force(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    return np.array([[wang_ssim(a, b) for b in references] for a in queries])


@few
@given(unlike())
def test_every_pair_is_within_the_promised_error_of_scikit_image(pictures: np.ndarray) -> None:
    scores = ssim_all_pairs(pictures[:2], pictures)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, brute_force(pictures[:2], pictures), atol=ERROR)


@pytest.mark.parametrize("side", [64, 250])
def test_photographs_are_within_the_promised_error(side: int) -> None:
    pictures = photographs(side)
    scores = ssim_all_pairs(pictures[:3], pictures)
    np.testing.assert_allclose(scores, brute_force(pictures[:3], pictures), atol=ERROR)


def test_grey_pictures_may_come_without_an_axis_for_channels() -> None:
    grey = photographs(64)[..., 1]
    scores = ssim_all_pairs(grey[:2], grey)
    np.testing.assert_array_equal(scores, ssim_all_pairs(grey[:2, ..., None], grey[..., None]))
    np.testing.assert_allclose(scores, brute_force(grey[:2], grey), atol=ERROR)


@few
@given(unlike())
def test_scores_are_symmetric_bounded_and_one_for_the_same_picture(pictures: np.ndarray) -> None:
    scores = ssim_all_pairs(pictures, pictures)
    np.testing.assert_allclose(scores, scores.T, atol=ERROR)
    np.testing.assert_allclose(np.diag(scores), 1, atol=ERROR)
    assert np.abs(scores).max() <= 1 + ERROR


@few
@given(unlike(), st.integers(1, 8))
def test_blocks_and_threads_do_not_change_a_score(pictures: np.ndarray, threads: int) -> None:
    many = np.concatenate([pictures] * 4)
    alone = np.concatenate([ssim_all_pairs(pictures, one[None]) for one in pictures], axis=1)
    np.testing.assert_array_equal(ssim_all_pairs(pictures, many, threads=threads), np.tile(alone, 4))


@pytest.mark.parametrize("side", [64, 150])
def test_every_photograph_above_a_threshold_is_found_with_its_exact_score(side: int) -> None:
    pictures = photographs(side)
    queries = pictures[:6]
    exact = brute_force(queries, pictures)
    for threshold in (0.3, 0.5, 0.7, 0.9, 1.0):
        found = ssim_above(queries, pictures, threshold, threads=2)
        assert [(pair.query, pair.reference) for pair in found] == [tuple(at) for at in np.argwhere(exact >= threshold)]
        assert [pair.ssim for pair in found] == [exact[pair.query, pair.reference] for pair in found]


@few
@given(unlike(), st.data())
def test_none_above_is_missed_even_when_the_threshold_is_the_score_itself(
    pictures: np.ndarray, data: st.DataObject
) -> None:
    exact = brute_force(pictures, pictures)
    threshold = data.draw(st.sampled_from(exact.ravel().tolist())) + data.draw(
        st.sampled_from([0, 1e-12, -1e-12, 5e-5])
    )
    assume(threshold <= 1)
    found = ssim_above(pictures, pictures, threshold)
    assert [(pair.query, pair.reference) for pair in found] == [tuple(at) for at in np.argwhere(exact >= threshold)]


def test_above_a_threshold_the_best_turn_is_told() -> None:
    pictures = photographs(64)[::4]
    turned = np.stack([oriented(pictures[i % 4], name) for i, name in enumerate(ORIENTATIONS)])
    found = ssim_above(turned, pictures, 0.95, orientations=8)
    assert [(pair.query, pair.reference, ORIENTATIONS[pair.orientation]) for pair in found] == [
        (i, i % 4, name) for i, name in enumerate(ORIENTATIONS)
    ]
    assert {pair.ssim for pair in found} == {1.0}


@few
@given(unlike(), st.data())
def test_masks_average_the_map_over_the_union_of_both(pictures: np.ndarray, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    share = data.draw(st.sampled_from([0.0, 0.01, 0.5, 1.0]))
    masks, reference_masks = rng.random((2, *pictures.shape[:3])) < share
    scores = ssim_all_pairs(pictures, pictures, masks=masks, reference_masks=reference_masks)
    for q in (0, 3):
        for n in range(len(pictures)):
            inside = (masks[q] | reference_masks[n])[5:-5, 5:-5]
            wanted = ssim_map(pictures[q], pictures[n])[inside].mean() if inside.any() else np.nan
            np.testing.assert_allclose(scores[q, n], wanted, atol=ERROR)


def test_the_mask_of_a_reference_turns_with_it(works: np.ndarray) -> None:
    mask = np.zeros((1, 64, 64), dtype=bool)
    mask[0, 10:30, 5:55] = True
    query = oriented(works[0], "mirror-rotate-90")[None]
    turned = oriented(mask[0], "mirror-rotate-90")[None]
    spoiled = np.where(turned[..., None], query, 255 - query)
    inner = mask.copy()
    inner[0, :15] = inner[0, 25:] = False
    inner[0, :, :10] = inner[0, :, 50:] = False
    [[score]] = ssim_all_pairs(spoiled, works[:1], reference_masks=inner, orientations=8)
    assert score == pytest.approx(1, abs=ERROR)


def test_all_pairs_agrees_with_one_pair_at_a_time(works: np.ndarray) -> None:
    scores = ssim_all_pairs(works[:3], works)
    assert scores.shape == (3, 8)
    assert scores.dtype == np.float32
    one_by_one = [[wang_ssim(a, b) for b in works] for a in works[:3]]
    np.testing.assert_allclose(scores, one_by_one, atol=ERROR)


def test_a_flip_is_missed_as_it_is_and_found_among_eight(works: np.ndarray) -> None:
    turned = np.stack([oriented(works[0], name) for name in ORIENTATIONS])
    plain = ssim_all_pairs(turned, works[:1])
    best = ssim_all_pairs(turned, works[:1], orientations=8)
    assert plain[0, 0] == pytest.approx(1)
    assert plain[1:].max() < 0.6
    np.testing.assert_allclose(best, 1, atol=ERROR)


@few
@given(PICTURES, PICTURES)
def test_the_best_of_eight_is_never_below_the_plain_score(a: np.ndarray, b: np.ndarray) -> None:
    assert ssim_all_pairs(a[None], b[None], orientations=8) >= ssim_all_pairs(a[None], b[None])


@few
@given(PICTURES, PICTURES, st.sampled_from(ORIENTATIONS))
def test_turning_the_reference_does_not_change_the_best_of_eight(a: np.ndarray, b: np.ndarray, name: str) -> None:
    turned = oriented(b, name)
    best, again = (ssim_all_pairs(a[None], one[None], orientations=8) for one in (b, turned))
    np.testing.assert_allclose(best, again, atol=ERROR)


@few
@given(PICTURES, PICTURES, arrays(np.bool_, (16, 16)))
def test_a_mask_averages_the_map_inside_it(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> None:
    inside = mask[5:-5, 5:-5]
    [[score]] = ssim_all_pairs(a[None], b[None], masks=mask[None])
    wanted = ssim_map(a, b)[inside].mean() if inside.any() else np.nan
    np.testing.assert_allclose(score, wanted, atol=ERROR)


def test_a_mask_of_everything_gives_the_plain_score(works: np.ndarray) -> None:
    everything = np.ones((2, 64, 64), dtype=bool)
    masked = ssim_all_pairs(works[:2], works, masks=everything, orientations=8)
    np.testing.assert_allclose(masked, ssim_all_pairs(works[:2], works, orientations=8), atol=ERROR)


def test_a_copy_inside_the_mask_is_found_on_a_foreign_ground(works: np.ndarray) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[10:50, 14:54] = True
    pasted = np.where(mask[..., None], works[0], works[5])
    inner = mask.copy()
    inner[10:16] = inner[44:50] = False
    inner[:, 14:20] = inner[:, 48:54] = False
    assert ssim_all_pairs(pasted[None], works[:1], masks=inner[None])[0, 0] > 0.99
    assert ssim_all_pairs(pasted[None], works[:1])[0, 0] < 0.7


def test_a_picture_laid_on_its_side_is_resized_back_before_comparing(works: np.ndarray) -> None:
    wide = works[0][:40]
    scores = ssim_all_pairs(wide[None], wide[None], orientations=8)
    assert scores.shape == (1, 1)
    assert scores[0, 0] == pytest.approx(1)


def test_no_queries_or_no_references_give_an_empty_table(works: np.ndarray) -> None:
    assert ssim_all_pairs(works[:0], works).shape == (0, 8)
    assert ssim_all_pairs(works, works[:0], orientations=8).shape == (8, 0)


def test_input_of_another_kind_is_refused_with_its_name(works: np.ndarray) -> None:
    with pytest.raises(ValueError, match="references: expected uint8 pictures"):
        ssim_all_pairs(works, works / 255)
    with pytest.raises(ValueError, match="choose 1 or 8"):
        ssim_all_pairs(works, works, orientations=4)
    with pytest.raises(ValueError, match="threads: 0 is not possible"):
        ssim_above(works, works, 0.7, threads=0)
    with pytest.raises(ValueError, match="threshold: 70 is not possible"):
        ssim_above(works, works, 70)
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 64\) pixels cannot be compared"):
        ssim_above(works, works[:, :32], 0.7)
    with pytest.raises(ValueError, match=r"masks: expected bool \(8, 64, 64\)"):
        ssim_all_pairs(works, works, masks=np.ones((8, 64, 64), np.uint8))
    with pytest.raises(ValueError, match=r"masks: expected bool \(8, 64, 64\)"):
        ssim_all_pairs(works, works, masks=np.ones((64, 64), np.bool_))
    with pytest.raises(ValueError, match=r"reference_masks: expected bool \(2, 64, 64\)"):
        ssim_all_pairs(works, works[:2], reference_masks=np.ones((8, 64, 64), np.bool_))


def test_more_pictures_than_fit_in_one_block_are_scored_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (23, 12, 12), dtype=np.uint8)
    at_once = ssim_all_pairs(pictures, pictures)
    monkeypatch.setattr(scan, "_MOST_AT_ONCE", 5)
    np.testing.assert_array_equal(ssim_all_pairs(pictures, pictures), at_once)
    found = ssim_above(pictures, pictures, 0.9, threads=3)
    assert [(pair.query, pair.reference) for pair in found] == [(i, i) for i in range(23)]
