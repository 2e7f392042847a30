import numpy as np
import torch

from tests.unit.regeneration.pictures import box, bytes_of, picture, scene
from twig_assets.generation import family_of
from twig_assets.regeneration import iou
from twig_assets.regeneration.objects import by_colour, find_objects, outlines, plain_grounds

PLAIN = 0.08


def test_an_object_is_what_differs_from_the_ground_without_specks_and_holes():
    shape = box(10, 20)
    drawn = shape & ~box(16, 26, 2, 2) | box(50, 50, 1, 1)
    np.testing.assert_array_equal(by_colour(picture(drawn)[None])[0], shape)
    assert not by_colour(torch.full((1, 3, 64, 64), 0.5)).any()


def test_a_sketchs_outline_is_that_of_the_picture_but_for_its_rim(pipeline):
    shape = box(20, 12, 24, 28)
    family = family_of(pipeline)
    latents = family.encode_images(bytes_of(picture(shape[None])), (64, 64))
    outline = outlines(family, latents, (64, 64))
    assert outline.shape == (1, 64, 64)
    assert iou(outline[0], shape) > 0.75


def test_a_ground_is_plain_although_the_frame_cuts_the_object_and_a_busy_or_shaded_one_is_not():
    cut, ramp = picture(box(0, 20, 30, 24)), torch.linspace(0, 1, 64).expand(3, 64, 64)
    pictures = torch.stack([cut, ramp, torch.from_numpy(scene(box(20, 20))).permute(2, 0, 1) / 255])
    assert plain_grounds(pictures, PLAIN).tolist() == [True, False, False]


def test_on_plain_ground_thin_and_pale_parts_are_traced_although_they_are_not_the_objects_outline():
    shape, leg = box(10, 20), box(26, 30, 12, 1)
    pale = box(12, 4, 4, 4)
    pictures = picture((shape | leg)[None])
    pictures[:, 0, pale] = 0.75
    found = find_objects(bytes_of(pictures), None, PLAIN)
    np.testing.assert_array_equal(found.shapes[0], shape)
    np.testing.assert_array_equal(found.traces[0], shape | leg | pale)
    busy = find_objects(scene(shape)[None], None, PLAIN)
    np.testing.assert_array_equal(busy.traces, busy.shapes)


def test_only_images_whose_ground_is_not_plain_are_given_to_the_segmenter():
    shape, asked = box(20, 20), []
    images = np.stack([bytes_of(picture(shape[None]))[0], scene(shape), scene(box(4, 4))])

    def segment(images):
        asked.append(len(images))
        return np.stack([shape, np.zeros_like(shape)])

    found = find_objects(images, segment, PLAIN)
    assert asked == [2]
    assert found.found_by == ["colour", "mask", "colour"]
    np.testing.assert_array_equal(found.shapes[:2], [shape, shape])
    assert iou(by_colour(torch.from_numpy(scene(shape)[None]).permute(0, 3, 1, 2) / 255)[0], shape) < 0.5
    find_objects(images[:1], segment, PLAIN)
    assert asked == [2]


def test_without_a_segmenter_the_colour_says_where_the_object_is():
    images = scene(box(20, 20))[None]
    found = find_objects(images, None, PLAIN)
    assert found.found_by == ["colour"]
    np.testing.assert_array_equal(found.shapes, by_colour(torch.from_numpy(images).permute(0, 3, 1, 2) / 255))
