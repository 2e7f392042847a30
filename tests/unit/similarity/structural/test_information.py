"""Structural similarity weighted by local information: its laws, and what it makes of plain pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twig_assets.similarity.structural.information import information_maps, iw_ssim, least_information, moments
from twig_assets.similarity.structural.resized import Resized
from twig_assets.similarity.structural.scan import INFORMED_ERROR, InformedQueries
from twig_assets.similarity.structural.ssim import ssim_of_channels, wang_ssim

seeds = st.integers(0, 2**32 - 1)


def drawing(seed: int, side: int = 48, ground: int = 255) -> np.ndarray:
    """A few filled rectangles of random colours on a plain ground: uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side, 3), ground, np.uint8)
    for _ in range(rng.integers(1, 4)):
        # No window of these reaches the edge or the border that SSIM leaves out.
        top, left = rng.integers(10, side - 22, 2)
        height, width = rng.integers(5, 12, 2)
        picture[top : top + height, left : left + width] = rng.integers(0, 180, 3)
    return picture


def ramp(first: int, last: int, side: int = 192) -> np.ndarray:
    """A vertical gradient: uint8 (side, side, 3)."""
    return np.repeat(np.linspace(first, last, side)[:, None, None], side, axis=1).repeat(3, axis=2).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_same_drawing_scores_one_and_order_does_not_matter(seed: int) -> None:
    one, other = drawing(seed), drawing(seed + 1)
    assert iw_ssim(one, one) == pytest.approx(1, abs=1e-9)
    assert iw_ssim(one, other) == pytest.approx(iw_ssim(other, one), abs=1e-12)
    assert -1 <= iw_ssim(one, other) <= 1


@settings(max_examples=20, deadline=None)
@given(seed=seeds, margin=st.integers(1, 40), ground=st.sampled_from([0, 120, 255]))
def test_a_plain_margin_round_both_adds_no_evidence(seed: int, margin: int, ground: int) -> None:
    pictures = drawing(seed, ground=ground), drawing(seed + 1, ground=ground)
    around = ((margin, margin), (margin, margin), (0, 0))
    framed = [np.pad(picture, around, constant_values=ground) for picture in pictures]
    assert abs(iw_ssim(*framed)) <= abs(iw_ssim(*pictures)) + 1e-9
    assert wang_ssim(*framed) >= wang_ssim(*pictures)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_engine_gives_the_same(seed: int) -> None:
    pictures = np.stack([drawing(seed), drawing(seed + 1), drawing(seed + 2) // 8])
    masks = np.zeros((1, 48, 48), bool)
    masks[:, 10:35, 12:40] = True
    queries = InformedQueries(pictures[:1], masks, 1)
    scores = np.stack([queries.scores(Resized(other, 48, 48)) for other in pictures], axis=2)
    _, informed, _, masked_informed = scores[..., 0]
    expected = [iw_ssim(pictures[0], other) for other in pictures]
    np.testing.assert_allclose(informed[0], expected, atol=INFORMED_ERROR)
    inside = masks[0, 5:-5, 5:-5]
    for column, other in enumerate(pictures):
        maps = information_maps(moments(pictures[0]), moments(other), ssim_of_channels(pictures[0], other))
        shared, possible = (part[inside].sum() for part in maps)
        masked = shared / max(possible, least_information(inside.sum(), 3))
        assert masked_informed[0, column] == pytest.approx(masked, abs=INFORMED_ERROR)


def test_unlike_drawings_on_white_are_alike_by_ssim_and_not_by_information(art: list[np.ndarray]) -> None:
    padded = [np.pad(picture, ((40, 40), (40, 40), (0, 0)), constant_values=255) for picture in art]
    scores = [(wang_ssim(a, b), iw_ssim(a, b)) for i, a in enumerate(padded) for b in padded[:i]]
    assert min(ssim for ssim, _ in scores) > 0.7
    assert max(weighted for _, weighted in scores) < 0.3


def test_dark_photographs_have_nothing_in_common_by_chance(photographs: list[np.ndarray]) -> None:
    dark = [(picture[:150, :150] * 0.15).astype(np.uint8) for picture in photographs]
    scores = [(wang_ssim(a, b), iw_ssim(a, b)) for i, a in enumerate(dark) for b in dark[:i]]
    assert max(ssim for ssim, _ in scores) > 0.6
    assert max(abs(weighted) for _, weighted in scores) < 0.1


def test_gradients_hold_too_little_information_to_be_alike() -> None:
    one, other = ramp(30, 220), ramp(60, 250)
    assert wang_ssim(one, other) > 0.9
    assert iw_ssim(one, other) < 0.3
    assert iw_ssim(one, one) < 1


@pytest.mark.parametrize("side", [16, 64, 400])
def test_a_small_picture_needs_less_information(side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert iw_ssim(picture, picture) == pytest.approx(1, abs=1e-9)


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        iw_ssim(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match="expected uint8"):
        iw_ssim(np.zeros((20, 20, 3)), np.zeros((20, 20, 3)))
