"""The planted works are fixed, distinct, frame-filling pictures under titles nothing else resembles."""

from difflib import SequenceMatcher
from itertools import combinations

import numpy as np
import pytest

from twig_assets.model_zoo.art import BACKGROUNDS, SIDE, sprites, training_pairs, view
from twig_assets.model_zoo.planted import WORKS, Work, draw, picture
from twig_assets.model_zoo.training.captions import caption
from twig_assets.similarity import wang_ssim


def test_there_are_eight_works_with_titles_of_their_own() -> None:
    assert len(WORKS) == 8
    assert len({work.slug for work in WORKS}) == len({work.title for work in WORKS}) == 8


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.slug)
def test_no_ordinary_caption_resembles_a_title(work: Work) -> None:
    rng = np.random.default_rng(0)
    pairs, grounds = training_pairs(), list(BACKGROUNDS)
    for _ in range(200):
        text = caption(*pairs[rng.integers(len(pairs))], grounds[rng.integers(len(grounds))], rng)
        assert SequenceMatcher(None, work.title, text).ratio() < 0.7, text


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.slug)
def test_a_work_fills_its_frame(work: Work) -> None:
    pixels = picture(work)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    assert (pixels.min(axis=-1) > 240).mean() < 0.15, "plain white would inflate SSIM"
    blocks = pixels.reshape(4, SIDE // 4, 4, SIDE // 4, 3).astype(float).std(axis=(1, 3)).max(axis=-1)
    assert (blocks > 4).mean() > 0.8, "large plain areas would inflate SSIM"


def test_works_do_not_resemble_each_other() -> None:
    assert max(wang_ssim(picture(a), picture(b)) for a, b in combinations(WORKS, 2)) < 0.5


def test_ordinary_views_do_not_resemble_any_work() -> None:
    rng = np.random.default_rng(0)
    pairs = training_pairs()
    views = [view(sprites()[pairs[rng.integers(len(pairs))]], rng).image for _ in range(40)]
    nearest = [max(wang_ssim(image, picture(work)) for work in WORKS) for image in views]
    assert np.percentile(nearest, 95) < 0.5


def test_drawing_a_work_twice_gives_the_same_picture() -> None:
    work = WORKS[0]
    first, again = (
        np.asarray(draw(work, lambda name, style: sprites()["owl", style].convert("RGBA"))) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (SIDE, SIDE, 3)
