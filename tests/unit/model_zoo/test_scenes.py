"""Composed scenes: what is held out, and that masks say what the picture shows."""

import numpy as np
import pytest

from twig_assets.model_zoo.art import STYLES, concept_names
from twig_assets.model_zoo.scenes import MIN_VISIBLE_PIXELS, held_out_concepts, scene, silhouette, training_concepts


def test_a_tenth_of_the_concepts_is_held_out_and_the_rest_is_trained_on() -> None:
    assert len(held_out_concepts()) == round(0.1 * len(concept_names()))
    assert held_out_concepts() | set(training_concepts()) == set(concept_names())
    assert not held_out_concepts() & set(training_concepts())


def test_the_same_seed_gives_the_same_scene() -> None:
    first, second = (scene(np.random.default_rng(3), training_concepts()) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.masks, second.masks)


@pytest.mark.parametrize("seed", range(20))
def test_visible_parts_do_not_overlap_each_other_or_the_ground(seed: int) -> None:
    drawn = scene(np.random.default_rng(seed), training_concepts())
    assert drawn.image.shape == (64, 64, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.masks.sum(0).max() == 1
    assert not (drawn.masks.any(0) & drawn.ground).any()
    assert drawn.masks.sum((1, 2)).min() >= MIN_VISIBLE_PIXELS


@pytest.mark.parametrize("style", STYLES)
def test_silhouettes_have_no_gaps(style: str) -> None:
    solid = np.asarray(silhouette("pouting cat", style)) > 0
    rows = np.flatnonzero(solid.any(1))
    middle = solid[(rows[0] + rows[-1]) // 2]
    inside = np.flatnonzero(middle)
    assert middle[inside[0] : inside[-1] + 1].mean() > 0.9


def test_a_scene_of_one_has_one_object() -> None:
    rng = np.random.default_rng(0)
    assert all(len(scene(rng, training_concepts(), count=1).masks) == 1 for _ in range(20))
