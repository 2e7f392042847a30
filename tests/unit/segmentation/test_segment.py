"""Segmenting real drawings with the packaged segmenter."""

import numpy as np
import pytest
from PIL import Image
from segment_anything.modeling import Sam

from twig_assets.model_zoo.art import STYLES, concept_names, sprites, view
from twig_assets.model_zoo.scenes import held_out_concepts, scene
from twig_assets.segmentation import SegmentationSettings, load_segmenter, segment
from twig_assets.segmentation.segment import cleaned, feathered, fine_detail

BLANK = np.full((64, 64, 3), 180, np.uint8)


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_segmenter("embedded")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_single_drawings_are_found_in_at_least_80_percent_of_views(sam: Sam) -> None:
    rng = np.random.default_rng(5)
    drawn = [scene(rng, sorted(held_out_concepts()), count=1) for _ in range(30)]
    found = segment(np.stack([d.image for d in drawn]), sam)
    assert len(found) == 30
    hits = [iou(f.mask, d.masks[0]) >= 0.75 for f, d in zip(found, drawn, strict=True)]
    assert np.mean(hits) >= 0.8


def test_the_union_of_two_objects_is_the_mask(sam: Sam) -> None:
    image = BLANK.copy()
    for x, name in ((2, "red apple"), (34, "penguin")):
        small = sprites()[name, "twemoji"].resize((28, 28)).convert("RGBA")
        canvas = Image.fromarray(image)
        canvas.paste(small, (x, 18), small)
        image = np.asarray(canvas)
    (found,) = segment(image[None], sam)
    assert found.outcome == "ok"
    assert found.mask[:, :32].any()
    assert found.mask[:, 32:].any()
    assert iou(found.mask, (image != BLANK).any(-1)) >= 0.75


def test_results_are_consistent(sam: Sam) -> None:
    rng = np.random.default_rng(9)
    image = view(sprites()["owl", "noto"], rng, scale=(0.6, 0.7), background="blue").image
    (found,) = segment(image[None], sam)
    assert found.outcome == "ok"
    assert found.mask.dtype == bool
    assert found.area == pytest.approx(found.mask.mean())
    assert found.soft_mask.dtype == np.float32
    assert ((found.soft_mask >= 0.5) == found.mask).all()
    scores = [r.score for r in found.ranked]
    assert scores == sorted(scores, reverse=True)
    assert found.ranked[0].foreground


def test_a_blank_image_is_empty(sam: Sam) -> None:
    (found,) = segment(BLANK[None], sam)
    assert found.outcome == "empty"
    assert not found.mask.any()
    assert not found.soft_mask.any()
    assert found.area == 0


def test_an_object_above_the_largest_area_is_full(sam: Sam) -> None:
    image = view(
        sprites()["red apple", "twemoji"], np.random.default_rng(2), scale=(0.9, 0.9), background="white"
    ).image
    (found,) = segment(image[None], sam, SegmentationSettings(max_area=0.3))
    assert found.outcome == "full"
    assert found.mask.all()
    assert found.area == 1


@pytest.mark.parametrize("size", [(48, 96), (96, 48), (160, 160), (33, 57)])
def test_any_size_works(sam: Sam, size: tuple[int, int]) -> None:
    height, width = size
    side = min(size) * 3 // 4
    canvas = Image.new("RGB", (width, height), (160, 220, 160))
    small = sprites()["red apple", "twemoji"].resize((side, side), Image.Resampling.BICUBIC).convert("RGBA")
    canvas.paste(small, ((width - side) // 2, (height - side) // 2), small)
    (found,) = segment(np.asarray(canvas)[None], sam)
    assert found.mask.shape == size
    assert iou(found.mask, (np.asarray(canvas) != (160, 220, 160)).any(-1)) >= 0.7


def test_no_images_give_no_results(sam: Sam) -> None:
    assert segment(np.zeros((0, 64, 64, 3), np.uint8), sam) == []


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 4), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
        [[1, 2, 3]],
    ],
    ids=["one image", "grey", "with alpha", "float", "list"],
)
def test_other_arrays_are_refused(sam: Sam, images: object) -> None:
    with pytest.raises(ValueError, match=r"images: got .* give a uint8 array"):
        segment(images, sam)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "reason"), [((4, 64), "too few"), ((8, 200), "too narrow")])
def test_images_that_are_too_small_or_narrow_are_refused(sam: Sam, size: tuple[int, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        segment(np.zeros((1, *size, 3), np.uint8), sam)


def test_cleaning_fills_gaps_and_drops_small_parts() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:40, 10:40] = True
    mask[20:30, 20:30] = False
    mask[60, 60] = True
    filled = cleaned(mask, SegmentationSettings())
    assert filled.sum() == 900
    assert cleaned(mask, SegmentationSettings(fill_holes=False)).sum() == 800


@pytest.mark.parametrize("feather", [0.0, 0.05, 0.3])
def test_a_feathered_edge_is_half_way_at_the_edge_itself(feather: float) -> None:
    mask = np.zeros((60, 80), bool)
    mask[:, :40] = True
    soft = feathered(mask, feather)
    assert ((soft > 0.5) == mask).all()
    assert (np.diff(soft[0]) <= 0).all()
    assert np.ptp(soft) == 1
    assert ((soft[0] > 0) & (soft[0] < 1)).sum() == pytest.approx(feather * 60, abs=2)


def test_a_drawing_has_more_fine_detail_than_a_gradient() -> None:
    rng = np.random.default_rng(0)
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    drawn = view(sprites()[concept_names()[0], STYLES[0]], rng).image
    assert fine_detail(ramp) < SegmentationSettings().plain_detail < fine_detail(drawn)
