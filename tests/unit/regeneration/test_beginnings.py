import numpy as np
import torch

from twig_assets.generation import GenerationSettings
from twig_assets.regeneration.beginnings import emptiest, first_prediction, presence

PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
FAST = GenerationSettings(steps=5, batch_size=4)


def overlap(shape, masks):
    taken = torch.from_numpy(masks).float().reshape(2, 16, 4, 16, 4).mean((2, 4))
    return torch.minimum(shape, taken).sum((1, 2)) / torch.maximum(shape, taken).sum((1, 2))


def test_what_differs_from_the_frames_edge_is_present():
    clean = torch.full((1, 4, 16, 16), 0.5)
    clean[:, :, 3:7, 5:9] = 2.0
    expected = torch.zeros(1, 16, 16)
    expected[:, 3:7, 5:9] = 1
    assert torch.equal(presence(clean), expected)
    assert not presence(torch.zeros(1, 4, 16, 16)).any()


def test_of_one_beginning_the_own_seed_is_taken_and_of_several_none_that_overlaps_more(pipeline):
    masks = np.zeros((2, 64, 64), bool)
    masks[:, 16:48, 16:48] = True
    assert emptiest(pipeline, PROMPTS, [7, 8], masks, 1, FAST) == [7, 8]
    chosen = emptiest(pipeline, PROMPTS, [7, 8], masks, 4, FAST)
    assert chosen == emptiest(pipeline, PROMPTS, [7, 8], masks, 4, FAST)
    own, best = (overlap(presence(first_prediction(pipeline, PROMPTS, s, FAST)), masks) for s in ([7, 8], chosen))
    assert (best <= own).all()
    assert (best < own).any()


def test_looking_leaves_the_pipeline_as_it_was(pipeline):
    scheduler = pipeline.scheduler
    first, again = (first_prediction(pipeline, PROMPTS, [1, 2], FAST) for _ in range(2))
    assert pipeline.scheduler is scheduler
    np.testing.assert_array_equal(first.numpy(), again.numpy())
