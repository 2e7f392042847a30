import numpy as np
import torch

from twig_assets.generation import GenerationSettings, generate
from twig_assets.regeneration import RegenerationSettings, iou
from twig_assets.regeneration.beginnings import chosen_seeds, encoded, fairest, first_guess, sketch
from twig_assets.regeneration.move import objects, outlines

PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
FAST = GenerationSettings(steps=5, batch_size=4)


def box(top, left, height, width):
    mask = np.zeros((64, 64), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_of_shapes_of_one_size_the_one_is_taken_that_has_the_freest_place():
    wide, tall = box(8, 2, 16, 60), box(2, 8, 60, 16)
    settings = RegenerationSettings(edge_cost=0.0)
    assert fairest(np.stack([wide, tall]), box(0, 0, 64, 30), 4, settings) == 1
    assert fairest(np.stack([wide, tall]), box(0, 0, 30, 64), 4, settings) == 0


def test_size_alone_does_not_decide():
    small, usual = box(28, 28, 4, 4), [box(8, 8, 30, 30), box(20, 20, 30, 30), box(16, 30, 30, 30)]
    mask = box(10, 10, 44, 44)
    assert fairest(np.stack([small, *usual]), mask, 4, RegenerationSettings(size_cost=1.0)) != 0
    assert fairest(np.stack([*usual, box(0, 0, 1, 1) & False]), mask, 4, RegenerationSettings(size_cost=1.0)) != 3


def test_of_one_beginning_the_own_seed_is_taken_and_of_several_always_the_same(pipeline):
    masks = np.stack([box(16, 16, 32, 32)] * 2)
    one, four = RegenerationSettings(beginnings=1), RegenerationSettings(beginnings=4)
    assert chosen_seeds(pipeline, PROMPTS, [7, 8], masks, one, FAST) == [7, 8]
    chosen = chosen_seeds(pipeline, PROMPTS, [7, 8], masks, four, FAST)
    assert chosen == chosen_seeds(pipeline, PROMPTS, [7, 8], masks, four, FAST)
    other = np.stack([box(0, 0, 64, 30), box(0, 34, 64, 30)])
    picks = {tuple(chosen_seeds(pipeline, PROMPTS, [s, s + 1], other, four, FAST)) for s in range(3)}
    assert any(pick != (s, s + 1) for s, pick in enumerate(sorted(picks)))


def test_a_sketch_shows_where_the_finished_thing_will_be(pipeline):
    seeds = list(range(40, 48))
    prompts = [PROMPTS[0]] * len(seeds)
    given = encoded(pipeline, prompts)
    guess = first_guess(pipeline, given, seeds, FAST)
    early = outlines(pipeline, sketch(pipeline, given, seeds, guess, FAST), (64, 64))
    images = generate(pipeline, prompts, seeds, GenerationSettings(batch_size=8))
    late = objects(_pictures(images))
    own = np.mean([iou(a, b) for a, b in zip(early, late, strict=True)])
    others = np.mean([iou(a, b) for a, b in zip(early, np.roll(late, 1, 0), strict=True)])
    assert own > others + 0.1


def test_looking_leaves_the_pipeline_as_it_was(pipeline):
    scheduler, taken = pipeline.scheduler, len(pipeline.scheduler.timesteps)
    given = encoded(pipeline, PROMPTS)
    guess = first_guess(pipeline, given, [1, 2], FAST)
    first, again = (sketch(pipeline, given, [1, 2], guess, FAST) for _ in range(2))
    assert pipeline.scheduler is scheduler
    assert len(pipeline.scheduler.timesteps) == taken
    np.testing.assert_array_equal(first.numpy(), again.numpy())


def _pictures(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
