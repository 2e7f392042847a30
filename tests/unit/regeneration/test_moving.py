import numpy as np
import torch

from twig_assets.generation import family_of
from twig_assets.regeneration import iou
from twig_assets.regeneration.moving import moved, objects, outlines, slid


def box(top, left, height=16, width=16, size=64):
    mask = np.zeros((size, size), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def picture(shape):
    pixels = np.where(shape[..., None], np.float32([0.8, 0.1, 0.1]), np.float32([0.9, 0.9, 0.9]))
    return torch.from_numpy(np.moveaxis(pixels, -1, -3))


def bytes_of(pictures):
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()


def test_an_object_is_what_differs_from_the_ground_without_specks_and_holes():
    shape = box(10, 20)
    drawn = shape & ~box(16, 26, 2, 2) | box(50, 50, 1, 1)
    np.testing.assert_array_equal(objects(picture(drawn)[None])[0], shape)
    assert not objects(torch.full((1, 3, 64, 64), 0.5)).any()


def test_a_sketchs_outline_is_that_of_the_picture_but_for_its_rim(pipeline):
    shape = box(20, 12, 24, 28)
    family = family_of(pipeline)
    latents = family.encode_images(bytes_of(picture(shape[None])), (64, 64))
    outline = outlines(family, latents, (64, 64))
    assert outline.shape == (1, 64, 64)
    assert iou(outline[0], shape) > 0.75


def test_sliding_mirrors_the_ground_and_not_the_object():
    shape = box(20, 0)
    image = np.where(shape[..., None], np.uint8([200, 0, 0]), np.arange(64, dtype=np.uint8)[:, None, None])
    there = slid(image, -4, 10, shape, np.uint8([9, 9, 9]))
    np.testing.assert_array_equal(there[:60, 10:], image[4:, :54])
    assert (there[17:31, :10] == 9).all()
    assert (there[:14, :10] == np.arange(4, 18)[:, None, None]).all()
    assert there[60:, 63, 0].tolist() == [62, 61, 60, 59]
    np.testing.assert_array_equal(slid(image, 0, 0, shape, np.uint8([9, 9, 9])), image)


def test_an_object_is_moved_pixel_by_pixel_to_where_it_meets_the_mask_least():
    shape, mask = box(20, 20, 24, 24), box(12, 12, 30, 30)
    drawn = bytes_of(picture(np.stack([shape, shape, np.zeros_like(shape)])))
    after = moved(drawn, np.stack([mask, box(0, 0, 8, 8), mask]), 0.02, 4)
    before, there = (objects(torch.from_numpy(x[:1]).permute(0, 3, 1, 2) / 255)[0] for x in (drawn, after))
    assert iou(there, mask) < 0.5 * iou(before, mask)
    assert there.sum() == before.sum()
    np.testing.assert_array_equal(after[1:], drawn[1:])
    assert set(map(tuple, after[0].reshape(-1, 3))) == set(map(tuple, drawn[0].reshape(-1, 3)))


def test_what_an_edge_of_the_frame_cuts_is_moved_along_it():
    shape, mask = box(20, 0, 24, 24), box(12, 0, 30, 30)
    after = moved(bytes_of(picture(shape[None])), mask[None], 0.0, 4)
    there = objects(torch.from_numpy(after).permute(0, 3, 1, 2) / 255)[0]
    assert there.sum() == shape.sum()
    assert there[:, 0].sum() == 24
    assert iou(there, mask) < 0.5 * iou(shape, mask)
