"""Which mask an image gets under each choice of source."""

import numpy as np
import pytest

from twig_assets.generation import GenerationSettings, generate
from twig_assets.model_zoo.art import sprites, view
from twig_assets.segmentation import (
    MaskSettings,
    Segmentation,
    SegmentationSettings,
    bright_ending,
    load_segmenter,
    masks_from,
    segment,
    segment_at,
)
from twig_assets.settings.masks import Place

PROMPTS = ["an owl", "a bare wall"]


@pytest.fixture(scope="module")
def sam():
    return load_segmenter("embedded")


@pytest.fixture(scope="module")
def images():
    """An owl on a ground, and a ground alone, on which no object is found."""
    owl = view(sprites()["owl", "noto"], np.random.default_rng(9), scale=(0.6, 0.7), background="blue").image
    return np.stack([owl, np.full((64, 64, 3), 180, np.uint8)])


def not_asked(*_):
    raise AssertionError("this was not to be opened")


def endings_of(outcome, brightness, asked):
    def endings(at):
        asked.append(at)
        mask = np.zeros((64, 64), bool)
        mask[10:20, 10:20] = True
        return [Segmentation(outcome, mask, mask.astype(np.float32), 100 / 4096, []) for _ in at], brightness[: len(at)]

    return endings


def test_by_default_the_masks_are_those_of_segment_and_the_generator_is_not_opened(sam, images):
    made = masks_from(images, PROMPTS, lambda: sam, not_asked)
    for one, plain in zip(made, segment(images, sam), strict=True):
        np.testing.assert_array_equal(one.segmentation.mask, plain.mask)
        assert one.segmentation.outcome == plain.outcome
        assert (one.source, one.brightness) == ("automatic", None)


def test_a_named_place_is_what_the_segmenter_is_asked_at_and_other_images_stay_automatic(sam, images):
    box = Place(box=(0.2, 0.2, 0.6, 0.6))
    owl, wall = masks_from(
        images, PROMPTS, lambda: sam, not_asked, MaskSettings(source="prompted", places={"an owl": box})
    )
    (asked,) = segment_at(images[:1], sam, boxes=[(12, 12, 39, 39)])
    np.testing.assert_array_equal(owl.segmentation.mask, asked.mask)
    assert (owl.source, wall.source) == ("prompted", "automatic")


def test_one_place_holds_for_every_image_but_those_that_have_their_own(sam, images):
    settings = MaskSettings(
        source="prompted", place=Place(point=(0.5, 0.5)), places={"a bare wall": Place(point=(0, 1))}
    )
    assert settings.place_of("an owl") == Place(point=(0.5, 0.5))
    assert settings.place_of("a bare wall") == Place(point=(0, 1))
    made = masks_from(images, PROMPTS, lambda: sam, not_asked, settings)
    assert [one.source for one in made] == ["prompted", "prompted"]


def test_the_ending_alone_needs_no_segmenter(images):
    asked = []
    settings = MaskSettings(source="bright_ending")
    made = masks_from(images, PROMPTS, not_asked, endings_of("ok", np.array([0.3, 0.1]), asked), settings)
    assert asked == [[0, 1]]
    assert [(one.source, one.brightness) for one in made] == [("bright_ending", 0.3), ("bright_ending", 0.1)]


@pytest.mark.parametrize(
    ("outcome", "brightness", "source"),
    [("ok", 0.3, "bright_ending"), ("ok", 0.1, "automatic"), ("full", 0.3, "automatic")],
)
def test_an_unusable_mask_gives_way_to_a_bright_ending_only_if_that_is_usable_and_bright(
    sam, images, outcome, brightness, source
):
    asked = []
    settings = MaskSettings(unusable="bright_ending", min_brightness=0.2)
    endings = endings_of(outcome, np.array([brightness]), asked)
    owl, wall = masks_from(images, PROMPTS, lambda: sam, endings, settings)
    assert asked == [[1]], "only the image without an object is looked at again"
    assert (owl.source, wall.source) == ("automatic", source)
    assert wall.segmentation.outcome == ("ok" if source == "bright_ending" else "empty")


def test_where_every_mask_is_usable_the_generator_is_not_opened(sam, images):
    (made,) = masks_from(images[:1], PROMPTS[:1], lambda: sam, not_asked, MaskSettings(unusable="bright_ending"))
    assert made.source == "automatic"


def test_the_real_ending_takes_the_place_of_a_mask_that_is_full(pipeline, sam):
    fast, tight = GenerationSettings(steps=3), SegmentationSettings(max_area=0.02)
    images = generate(pipeline, ["a rocket"], [9], fast)

    def endings(_at):
        return bright_ending(pipeline, ["a rocket"], [9], fast)

    assert segment(images, sam, tight)[0].outcome == "full"
    (made,) = masks_from(images, ["a rocket"], lambda: sam, endings, MaskSettings(unusable="bright_ending"), tight)
    (alone,), (brightness,) = endings([0])
    assert made.source == "bright_ending"
    assert made.brightness == pytest.approx(float(brightness))
    np.testing.assert_array_equal(made.segmentation.mask, alone.mask)
