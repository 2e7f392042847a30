from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.regeneration.pictures import box, bytes_of, picture, scene
from tests.unit.regeneration.strategies.batches import batch
from twig_assets.generation import GenerationSettings, family_of
from twig_assets.generation.sampling import sample
from twig_assets.regeneration import RegenerationSettings, iou, regenerate
from twig_assets.regeneration.objects import by_colour
from twig_assets.regeneration.strategies.move import Move

SHAPE, MASK = box(20, 20, 24, 24), box(12, 12, 30, 30)
FAST = GenerationSettings(steps=4, batch_size=2)


def move(pipeline, images, segment=None, masks=None, **settings):
    masks = np.stack([MASK] * len(images)) if masks is None else masks
    given = batch(pipeline, ["a red square"] * len(images), masks=masks, **settings)
    strategy = Move(replace(given, segment=segment, generation=FAST))
    return strategy.finish(images), [each["avoidance"] for each in strategy.figures()]


def refuse(images):
    raise AssertionError("the segmenter was asked")


def test_on_plain_ground_the_object_is_moved_pixel_by_pixel_and_neither_segmenter_nor_model_is_asked(pipeline):
    drawn = bytes_of(picture(SHAPE[None]))
    after, (figures,) = move(pipeline, drawn, refuse)
    before, there = (by_colour(picture_of(image))[0] for image in (drawn, after))
    assert iou(there, MASK) < 0.5 * iou(before, MASK)
    assert there.sum() == before.sum()
    assert set(map(tuple, after[0].reshape(-1, 3))) == set(map(tuple, drawn[0].reshape(-1, 3)))
    assert (figures["how"], figures["object"], figures["fill"]) == ("moved", "colour", "mirror")
    assert "evaluations" not in figures


def picture_of(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_in_a_scene_the_object_that_the_mask_shows_is_moved_to_where_it_meets_the_first_shape_least(pipeline):
    image = scene(SHAPE)[None]
    after, (figures,) = move(pipeline, image, lambda images: SHAPE[None])
    down, right = figures["down"], figures["right"]
    there = np.roll(SHAPE, (down, right), (0, 1))
    assert (figures["how"], figures["object"]) == ("moved", "mask")
    assert figures["overlap"] == pytest.approx(iou(there, MASK), abs=1e-4)
    assert figures["overlap"] < figures["overlap_drawn"] - 0.05
    np.testing.assert_array_equal(after[0][there], image[0][SHAPE])
    # By its colour the object of this scene is not found: what would be moved then is something else.
    assert move(pipeline, image)[1][0]["overlap_drawn"] != pytest.approx(figures["overlap_drawn"], abs=0.05)


def test_what_was_left_bare_in_a_scene_is_drawn_and_counted(pipeline):
    image = scene(SHAPE)[None]
    after, (figures,) = move(pipeline, image, lambda images: SHAPE[None], fill_known=-9.0, fill=0.5)
    mirrored, (plain,) = move(pipeline, image, lambda images: SHAPE[None], fill=0.0)
    assert (figures["fill"], figures["evaluations"]) == ("model", 3)
    assert plain["fill"] == "mirror"
    assert "evaluations" not in plain
    assert (after != mirrored).any()
    again, _ = move(pipeline, image, lambda images: SHAPE[None], fill_known=-9.0, fill=0.5)
    np.testing.assert_array_equal(again, after)


def test_an_object_that_fills_the_frame_is_left_and_the_row_says_so(pipeline):
    image = scene(SHAPE)[None]
    after, (figures,) = move(pipeline, image, lambda images: np.ones_like(MASK)[None])
    np.testing.assert_array_equal(after, image)
    assert figures["how"] == "left"
    assert figures["overlap"] == figures["overlap_drawn"]


def test_how_every_image_keeps_off_the_first_shape_is_told_batch_by_batch(pipeline):
    prompts, figures = ["a red apple on a white background"] * 3, []
    firsts, masks = np.zeros((3, 64, 64, 3), np.uint8), np.stack([MASK] * 3)
    told = regenerate(
        pipeline,
        prompts,
        firsts,
        masks,
        [1, 2, 3],
        RegenerationSettings(strategy="move"),
        FAST,
        on_figures=figures.extend,
    )
    assert len(told) == len(figures) == 3
    for each in figures:
        assert each["avoidance"]["how"] in ("moved", "seed", "left")
    off = []
    regenerate(
        pipeline, prompts, firsts, masks, [1, 2, 3], RegenerationSettings(strength=0), FAST, on_figures=off.extend
    )
    assert off == [{}, {}, {}]


def drawn_twice(pipeline, shapes):
    """A second image whose object the segmenter sees as each of these shapes in turn, and how it avoids the mask."""
    seen, figures = iter(shapes), []
    settings = RegenerationSettings(strategy="move", plain=0.0, fill=0.0, redraw_above=0.1)
    given = (pipeline, ["a red apple on a white background"], np.zeros((1, 64, 64, 3), np.uint8), MASK[None], [5])
    images = regenerate(
        *given, settings, FAST, segment=lambda images: np.stack([next(seen)]), on_figures=figures.extend
    )
    return images[0], figures[0]["avoidance"]


def test_where_no_move_helps_another_seed_is_drawn_and_kept_if_it_keeps_off_the_mask_better(pipeline):
    everywhere, corner = np.ones_like(MASK), box(0, 0, 8, 8)
    kept, figures = drawn_twice(pipeline, [everywhere, corner])
    assert (figures["how"], figures["redrawn"], figures["overlap"]) == ("seed", True, 0.0)
    assert figures["evaluations"] == 2 * FAST.steps
    start = family_of(pipeline).starting_noise([torch.Generator().manual_seed(figures["seed"])], (64, 64))
    start = start.flip(-1) if figures["mirrored_noise"] else start
    plain = sample(family_of(pipeline), ["a red apple on a white background"], [5], FAST, start)
    np.testing.assert_array_equal(kept, plain[0])
    first, worse = drawn_twice(pipeline, [everywhere, everywhere])
    assert (worse["how"], worse["redrawn"], worse["evaluations"]) == ("left", False, 2 * FAST.steps)
    assert (first != kept).any()
    assert worse["seed"] != figures["seed"] or worse["mirrored_noise"] != figures["mirrored_noise"]
