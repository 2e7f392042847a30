"""Structural similarity: against scikit-image itself, and the laws it obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from twig_assets.similarity import ssim_map, wang_ssim

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


@few
@given(PICTURES, PICTURES)
def test_the_map_is_scikit_images_own(a: np.ndarray, b: np.ndarray) -> None:
    _, full = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1, full=True
    )
    np.testing.assert_allclose(ssim_map(a, b), full[5:-5, 5:-5].mean(axis=-1), atol=1e-9)


def test_a_grey_picture_scores_like_its_three_equal_channels(works: np.ndarray) -> None:
    a, b = works[0][..., 0], works[1][..., 0]
    coloured = [np.repeat(grey[..., None], 3, axis=2) for grey in (a, b)]
    assert wang_ssim(a, b) == pytest.approx(wang_ssim(*coloured), abs=1e-12)


def test_the_map_leaves_out_five_pixels_at_every_edge(works: np.ndarray) -> None:
    found = ssim_map(works[0], works[1])
    assert found.shape == (54, 54)
    assert found.mean() == pytest.approx(wang_ssim(works[0], works[1]), abs=1e-12)
    framed = works[0].copy()
    framed[0] = 255 - framed[0]
    np.testing.assert_array_equal(ssim_map(works[0], framed)[5:], 1)


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


def test_input_of_another_kind_is_refused_with_its_name(works: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a: expected uint8 pictures"):
        wang_ssim(works[0] / 255, works[1])
    with pytest.raises(ValueError, match=r"\(64, 64, 3\) and \(64, 64\) cannot be compared; make both RGB or grey"):
        wang_ssim(works[0], works[1][..., 0])
    with pytest.raises(ValueError, match=r"a: expected uint8 pictures .* got uint8 \(64, 64, 2\)"):
        wang_ssim(works[0][..., :2], works[1])
    with pytest.raises(ValueError, match="SSIM needs at least 11 px"):
        wang_ssim(works[0][:10], works[1][:10])
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 64\) pixels cannot be compared"):
        wang_ssim(works[0], works[1][:32])
