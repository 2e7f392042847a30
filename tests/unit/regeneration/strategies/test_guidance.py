"""Another prompt for some images of a batch, read by the U-Net in place of their own."""

import numpy as np
import torch

from twig_assets.generation import GenerationSettings, generate
from twig_assets.generation.steering import steered
from twig_assets.regeneration.strategies.guidance import prompted

FAST = GenerationSettings(steps=3, batch_size=2)
PROMPTS = ["a fox", "an owl"]


def drawn(pipeline, rows):
    twin = steered(pipeline, lambda now: now)
    with prompted(twin, "a red apple", lambda _: rows):
        return generate(twin, PROMPTS, [1, 2], FAST)


def test_an_image_whose_prompt_is_replaced_is_what_the_other_prompt_draws_and_its_neighbour_is_left_alone(pipeline):
    made = drawn(pipeline, torch.tensor([False, False, True, False]))
    other = generate(pipeline, ["a red apple", "an owl"], [1, 2], FAST)
    np.testing.assert_array_equal(made, other)
    assert (made[0] != generate(pipeline, PROMPTS, [1, 2], FAST)[0]).any()


def test_where_none_is_chosen_nothing_changes_and_nothing_stays_behind(pipeline):
    np.testing.assert_array_equal(drawn(pipeline, None), generate(pipeline, PROMPTS, [1, 2], FAST))
    assert not pipeline.unet._forward_pre_hooks


def test_the_half_without_the_prompt_can_read_it_too(pipeline):
    made = drawn(pipeline, torch.tensor([True, False, False, False]))
    plain = generate(pipeline, PROMPTS, [1, 2], FAST)
    assert (made[0] != plain[0]).any()
    np.testing.assert_array_equal(made[1], plain[1])
