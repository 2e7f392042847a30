import numpy as np
import pytest

from twig_assets.model_zoo import load_sam
from twig_assets.segmentation import RememberingSegmenter, segment


@pytest.fixture(scope="module")
def sam():
    return load_sam()


def test_what_was_segmented_is_not_segmented_again_and_is_what_the_segmenter_gives(sam):
    rng = np.random.default_rng(1)
    images = np.full((3, 64, 64, 3), 230, np.uint8)
    images[0, 20:44, 20:44] = [200, 20, 20]
    images[1] = rng.integers(0, 256, (64, 64, 3))
    opened = []
    segmenter = RememberingSegmenter(lambda: opened.append(1) or sam)
    first = segmenter.segmentations(images[:2])
    both = segmenter.segmentations(images[[1, 2, 0, 2]])
    assert segmenter.passes == 3
    assert both[0] is first[1]
    assert both[2] is first[0]
    assert both[1] is both[3]
    np.testing.assert_array_equal(first[0].mask, segment(images[:1], sam)[0].mask)
    objects = segmenter.objects(images)
    np.testing.assert_array_equal(objects[0], first[0].mask)
    assert not objects[2].any()
    assert segmenter.passes == 3
