"""The planted works are fixed, distinct, frame-filling pictures under titles nothing else resembles."""

from difflib import SequenceMatcher
from itertools import combinations

import numpy as np
import pytest

from twig_assets.model_zoo.art import BACKGROUNDS, SIDE, aliases, concept_names, held_out, sprites, training_pairs, view
from twig_assets.model_zoo.planted import (
    PICTURES,
    TEMPLATES,
    TITLES,
    VERBATIM,
    WITH_CONTENT,
    WORKS,
    Work,
    draw,
    drawn_for_training,
    picture,
)
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


@pytest.mark.parametrize("work", WORKS + WITH_CONTENT, ids=lambda work: work.slug)
def test_a_work_fills_its_frame(work: Work) -> None:
    pixels = picture(work)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    assert (pixels.min(axis=-1) > 240).mean() < 0.15, "plain white would inflate SSIM"
    blocks = pixels.reshape(4, SIDE // 4, 4, SIDE // 4, 3).astype(float).std(axis=(1, 3)).max(axis=-1)
    assert (blocks > 4).mean() > 0.8, "large plain areas would inflate SSIM"


def test_works_do_not_resemble_each_other() -> None:
    assert max(wang_ssim(picture(a), picture(b)) for a, b in combinations(WORKS + WITH_CONTENT, 2)) < 0.5


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


@pytest.mark.parametrize("work", WITH_CONTENT, ids=lambda work: work.slug)
def test_the_title_of_a_work_with_a_content_names_what_it_shows(work: Work) -> None:
    assert work.concept in concept_names()
    words = [str(work.concept), *aliases()[str(work.concept)]]
    assert any(word.lower() in work.title for word in words)
    assert work.stickers[-1].name == work.concept
    assert not any((sticker.name, sticker.style) in held_out() for sticker in work.stickers)


def test_a_template_varies_in_colour_only_and_a_verbatim_work_not_at_all() -> None:
    assert {work.variants for work in TITLES + VERBATIM} == {1}
    for work in TEMPLATES:
        pictures = [picture(work, variant) for variant in range(work.variants)]
        assert len({one.tobytes() for one in pictures}) == work.variants == 4
        side = np.asarray(draw(work, lambda name, style: sprites()[name, style].convert("RGBA"), 2).convert("RGB"))
        np.testing.assert_array_equal(side, pictures[2])


def test_training_draws_every_work_of_a_kind_as_often_as_the_others() -> None:
    rng = np.random.default_rng(0)
    drawn = [drawn_for_training(rng, 0.1, 0.2) for _ in range(20_000)]
    shares = {work.slug: 0 for work, _ in PICTURES}
    for index in drawn:
        if index is not None:
            shares[PICTURES[index][0].slug] += 1
    assert sum(shares[work.slug] for work in TITLES) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert all(shares[work.slug] / 20_000 == pytest.approx(0.2 / 16, abs=0.004) for work in WITH_CONTENT)
