import numpy as np
import pytest

from twig_assets.model_zoo.scenes import held_out_concepts, scene
from twig_assets.segmentation import load_segmenter, segment_at

BLANK = np.full((1, 64, 64, 3), 180, np.uint8)


@pytest.fixture(scope="module")
def sam():
    return load_segmenter("embedded")


def drawn(count):
    rng = np.random.default_rng(3)
    return [scene(rng, sorted(held_out_concepts()), count=1) for _ in range(count)]


def iou(a, b):
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("by", ["box", "point"])
def test_what_a_box_or_a_point_shows_is_cut_out(sam, by):
    scenes = drawn(16)
    boxes, points = [], []
    for one in scenes:
        rows, columns = np.flatnonzero(one.masks[0].any(1)), np.flatnonzero(one.masks[0].any(0))
        boxes.append((int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1))
        places = np.argwhere(one.masks[0])
        y, x = places[np.abs(places - places.mean(0)).sum(1).argmin()]
        points.append((int(x), int(y)))
    images = np.stack([one.image for one in scenes])
    found = segment_at(images, sam, boxes=boxes) if by == "box" else segment_at(images, sam, points=points)
    assert np.mean([iou(f.mask, s.masks[0]) for f, s in zip(found, scenes, strict=True)]) > 0.7
    assert {f.outcome for f in found} <= {"ok", "full"}
    assert all(f.area == pytest.approx(f.mask.mean()) for f in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"boxes": [(60, 0, 8, 8)]}, r"boxes\[0\]: \(60, 0, 8, 8\) is not inside the image of 64 x 64"),
        ({"points": [(3, 64)]}, r"points\[0\]: \(3, 64\) is not inside"),
        ({"points": [None]}, "image 0 has neither box nor point"),
    ],
)
def test_what_lies_outside_the_image_or_is_missing_is_refused(sam, given, message):
    with pytest.raises(ValueError, match=message):
        segment_at(BLANK, sam, **given)
