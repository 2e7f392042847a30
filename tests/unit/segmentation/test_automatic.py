import numpy as np
import pytest
import torch
from PIL import Image
from segment_anything import SamAutomaticMaskGenerator
from skimage import data

from twig_assets.model_zoo import load_sam
from twig_assets.model_zoo.sam_model import SamShape, build_sam
from twig_assets.model_zoo.scenes import held_out_concepts, scene
from twig_assets.segmentation import SegmentationSettings, segment
from twig_assets.segmentation.automatic import AutomaticMasks


@pytest.fixture(scope="module")
def sam():
    return load_sam()


def pictures(size, count):
    """Drawings on plain and busy grounds, and a photograph, at a height and width."""
    rng = np.random.default_rng(4)
    drawn = [scene(rng, sorted(held_out_concepts())).image for _ in range(count - 1)]
    return [np.asarray(Image.fromarray(each).resize(size[::-1])) for each in [*drawn, data.astronaut()]]


def assert_as_the_package(sam, image, settings):
    package = SamAutomaticMaskGenerator(
        sam,
        points_per_side=settings.points_per_side,
        points_per_batch=settings.points_per_batch,
        pred_iou_thresh=settings.pred_iou_thresh,
        stability_score_thresh=settings.stability_score_thresh,
        box_nms_thresh=settings.box_nms_thresh,
    ).generate(image)
    ours = AutomaticMasks(sam, image.shape[:2], settings).of(image)
    assert len(ours) == len(package) > 0
    for mine, theirs in zip(ours, package, strict=True):
        np.testing.assert_array_equal(mine.mask, theirs["segmentation"])
        assert mine.predicted_iou == pytest.approx(theirs["predicted_iou"], abs=1e-5)
        assert mine.stability == pytest.approx(theirs["stability_score"], abs=1e-3)


@pytest.mark.parametrize("size", [(64, 64), (33, 57), (150, 100)])
def test_masks_are_those_of_the_packages_generator(sam, size):
    for image in pictures(size, 3):
        assert_as_the_package(sam, image, SegmentationSettings(points_per_side=4, points_per_batch=7))


def test_a_model_of_another_shape_gives_the_masks_of_the_packages_generator():
    torch.manual_seed(3)
    shape = SamShape(image_size=96, patch_size=8, encoder_dim=32, encoder_heads=2, encoder_depth=1, prompt_dim=32)
    settings = SegmentationSettings(
        points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0, box_nms_thresh=0.999
    )
    assert_as_the_package(build_sam(shape).eval(), pictures((90, 70), 1)[0], settings)


@pytest.mark.parametrize("size", [(64, 64), (70, 90)])
def test_where_no_mask_passes_there_is_none(sam, size):
    settings = SegmentationSettings(points_per_side=2, pred_iou_thresh=1)
    assert AutomaticMasks(sam, size, settings).of(pictures(size, 1)[0]) == []


def test_a_segmentation_has_the_same_bytes_whatever_is_segmented_with_it(sam):
    images = np.stack(pictures((64, 64), 4))
    together = segment(images, sam)
    for i, alone in enumerate(segment(images[[i]], sam)[0] for i in (0, 3, 1)):
        other = together[(0, 3, 1)[i]]
        assert alone.soft_mask.tobytes() == other.soft_mask.tobytes()
        assert [mask.score for mask in alone.ranked] == [mask.score for mask in other.ranked]
