import numpy as np
import torch

from tests.unit.regeneration.strategies.batches import batch, prediction
from twig_assets.regeneration.strategies.auto import Auto
from twig_assets.regeneration.strategies.move import Move

FIRST = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(2))


def drawn():
    images = np.full((2, 64, 64, 3), 230, np.uint8)
    images[:, 20:44, 4:28] = (200, 30, 30)
    return images


def test_objects_of_ordinary_images_are_moved_and_memorised_images_stay(pipeline):
    work = batch(pipeline, ("a fox", "an owl"), first_latents=FIRST)
    auto = Auto(work)
    auto.steer(prediction(torch.stack([FIRST[0], OTHER])))
    images = drawn()
    finished = auto.finish(images)
    np.testing.assert_array_equal(finished[0], images[0])
    np.testing.assert_array_equal(finished[1], Move(work).finish(images)[1])
    assert (finished[1] != images[1]).any()


def test_together_with_move_nothing_is_moved_twice(pipeline):
    auto = Auto(batch(pipeline, ("a fox", "an owl"), first_latents=FIRST, strategy=("auto", "move")))
    images = drawn()
    assert auto.finish(images) is images
