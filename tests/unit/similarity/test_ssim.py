"""Structural similarity: against scikit-image itself, and the laws it obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from twig_assets.similarity import ssim_all_pairs, ssim_map, wang_ssim
from twig_assets.similarity.orientations import ORIENTATIONS, oriented

PICTURES = arrays(np.uint8, (16, 16, 3))
few = settings(max_examples=25, deadline=None)


def oracle(a: np.ndarray, b: np.ndarray) -> float:
    """Wang's settings, as scikit-image's own documentation gives them."""
    return structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1
    )


def test_it_is_what_scikit_image_gives_with_wangs_settings(works: np.ndarray) -> None:
    for a in works[:3]:
        for b in works[3:6]:
            assert wang_ssim(a, b) == pytest.approx(oracle(a, b), abs=1e-12)


def test_all_pairs_agrees_with_one_pair_at_a_time(works: np.ndarray) -> None:
    scores = ssim_all_pairs(works[:3], works)
    assert scores.shape == (3, 8)
    assert scores.dtype == np.float32
    one_by_one = [[wang_ssim(a, b) for b in works] for a in works[:3]]
    np.testing.assert_allclose(scores, one_by_one, atol=1e-6)


def test_the_map_leaves_out_five_pixels_at_every_edge(works: np.ndarray) -> None:
    found = ssim_map(works[0], works[1])
    assert found.shape == (54, 54)
    assert found.mean() == pytest.approx(wang_ssim(works[0], works[1]), abs=1e-12)
    framed = works[0].copy()
    framed[0] = 255 - framed[0]
    np.testing.assert_array_equal(ssim_map(works[0], framed)[5:], 1)


def test_a_flip_is_missed_as_it_is_and_found_among_eight(works: np.ndarray) -> None:
    turned = np.stack([oriented(works[0], name) for name in ORIENTATIONS])
    plain = ssim_all_pairs(turned, works[:1])
    best = ssim_all_pairs(turned, works[:1], orientations=8)
    assert plain[0, 0] == pytest.approx(1)
    assert plain[1:].max() < 0.6
    np.testing.assert_allclose(best, 1, atol=1e-6)


@few
@given(PICTURES)
def test_a_picture_is_wholly_like_itself(a: np.ndarray) -> None:
    assert wang_ssim(a, a) == pytest.approx(1, abs=1e-12)


@few
@given(PICTURES, PICTURES)
def test_order_does_not_matter_and_scores_stay_within_one(a: np.ndarray, b: np.ndarray) -> None:
    score = wang_ssim(a, b)
    assert score == pytest.approx(wang_ssim(b, a), abs=1e-12)
    assert -1 - 1e-12 <= score <= 1 + 1e-12


@few
@given(PICTURES, PICTURES)
def test_the_best_of_eight_is_never_below_the_plain_score(a: np.ndarray, b: np.ndarray) -> None:
    assert ssim_all_pairs(a[None], b[None], orientations=8) >= ssim_all_pairs(a[None], b[None])


@few
@given(PICTURES, PICTURES, st.sampled_from(ORIENTATIONS))
def test_turning_the_reference_does_not_change_the_best_of_eight(a: np.ndarray, b: np.ndarray, name: str) -> None:
    turned = oriented(b, name)
    best, again = (ssim_all_pairs(a[None], one[None], orientations=8) for one in (b, turned))
    np.testing.assert_allclose(best, again, atol=1e-6)


@few
@given(PICTURES, PICTURES, arrays(np.bool_, (16, 16)))
def test_a_mask_averages_the_map_inside_it(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> None:
    inside = mask[5:-5, 5:-5]
    [[score]] = ssim_all_pairs(a[None], b[None], masks=mask[None])
    wanted = ssim_map(a, b)[inside].mean() if inside.any() else np.nan
    np.testing.assert_allclose(score, wanted, atol=1e-6)


def test_a_mask_of_everything_gives_the_plain_score(works: np.ndarray) -> None:
    everything = np.ones((2, 64, 64), dtype=bool)
    masked = ssim_all_pairs(works[:2], works, masks=everything, orientations=8)
    np.testing.assert_allclose(masked, ssim_all_pairs(works[:2], works, orientations=8), atol=1e-6)


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
    with pytest.raises(ValueError, match="a: expected uint8 pictures"):
        wang_ssim(works[0] / 255, works[1])
    with pytest.raises(ValueError, match=r"b: expected uint8 pictures .* got uint8 \(64, 64\)"):
        wang_ssim(works[0], works[1][..., 0])
    with pytest.raises(ValueError, match="SSIM needs at least 11 px"):
        wang_ssim(works[0][:10], works[1][:10])
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 64\) pixels cannot be compared"):
        wang_ssim(works[0], works[1][:32])
    with pytest.raises(ValueError, match="choose 1 or 8"):
        ssim_all_pairs(works, works, orientations=4)
    with pytest.raises(ValueError, match=r"masks: expected bool \(8, 64, 64\)"):
        ssim_all_pairs(works, works, masks=np.ones((8, 64, 64), np.uint8))
    with pytest.raises(ValueError, match=r"masks: expected bool \(8, 64, 64\)"):
        ssim_all_pairs(works, works, masks=np.ones((64, 64), np.bool_))
