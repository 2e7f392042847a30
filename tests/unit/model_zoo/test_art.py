"""The art pack and random views of it."""

import numpy as np
import pytest

from twig_assets.model_zoo.art import (
    BACKGROUNDS,
    SIDE,
    STYLES,
    aliases,
    concept_names,
    held_out,
    sprites,
    training_pairs,
    view,
)


def test_every_concept_is_drawn_in_every_style() -> None:
    assert len(concept_names()) >= 100
    assert len(STYLES) >= 4
    for name in concept_names():
        for style in STYLES:
            opacity = np.asarray(sprites()[name, style])[..., 3]
            assert opacity.shape == (SIDE, SIDE)
            assert (opacity > 128).mean() > 0.03, f"{name} in {style} is all but empty"


def test_no_two_concepts_share_a_drawing_but_two_cats_that_fluent_draws_alike() -> None:
    alike = []
    for style in STYLES:
        names_by_drawing: dict[bytes, list[str]] = {}
        for name in concept_names():
            names_by_drawing.setdefault(sprites()[name, style].tobytes(), []).append(name)
        alike += [(style, names) for names in names_by_drawing.values() if len(names) > 1]
    assert alike in ([], [("fluent", ["cat face", "grinning cat"])])


def test_names_are_unique_and_no_other_word_for_one_concept_names_another() -> None:
    names = [name.lower() for name in concept_names()]
    assert len(set(names)) == len(names)
    words = [word.lower() for others in aliases().values() for word in others]
    assert not set(words) & set(names)
    assert len(set(words)) == len(words)


def test_held_out_pairs_stay_out_of_training() -> None:
    assert not held_out() & set(training_pairs())
    assert len(held_out()) + len(training_pairs()) == len(concept_names()) * len(STYLES)
    assert len(held_out()) == round(0.1 * len(concept_names()) * len(STYLES))


def test_every_concept_and_every_style_of_a_held_out_pair_is_trained_elsewhere() -> None:
    assert len({name for name, _ in held_out()}) == len(held_out())
    for style in STYLES:
        assert sum(kept == style for _, kept in training_pairs()) > 100


def test_the_same_seed_draws_the_same_view() -> None:
    sprite = sprites()["red apple", "noto"]
    first, again, other = (view(sprite, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.alpha, again.alpha)
    assert first.background == again.background
    assert (first.image != other.image).any()


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("style", STYLES)
def test_the_ground_shows_exactly_where_nothing_is_drawn(background: str, style: str) -> None:
    drawn = view(sprites()["octopus", style], np.random.default_rng(1), background=background)
    off = np.abs(drawn.image.astype(int) - BACKGROUNDS[background]).max(axis=-1)
    # Bicubic reduction overshoots by a level or two just outside the drawing.
    assert off[drawn.alpha == 0].max() <= 3
    assert (off[drawn.alpha == 255] > 3).mean() > 0.8
    assert drawn.background == background


@pytest.mark.parametrize("seed", range(20))
def test_a_drawing_keeps_within_the_asked_scale(seed: int) -> None:
    drawn = view(sprites()["red apple", "twemoji"], np.random.default_rng(seed), scale=(0.5, 0.6))
    rows, columns = np.nonzero(drawn.alpha > 8)
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert round(0.5 * SIDE) - 1 <= longest <= round(0.6 * SIDE)


def test_white_is_the_commonest_ground_and_every_ground_occurs() -> None:
    rng = np.random.default_rng(0)
    found = [view(sprites()["owl", "noto"], rng).background for _ in range(400)]
    assert set(found) == set(BACKGROUNDS)
    assert 0.22 < found.count("white") / 400 < 0.38
