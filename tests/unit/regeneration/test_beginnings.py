import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.generation import GenerationSettings
from twig_assets.generation.generate import sample
from twig_assets.regeneration.beginnings import Beginning, emptiest, first_guess, noise_of, overlap, presence, sketch

PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
FAST = GenerationSettings(steps=5, batch_size=4)


def small(masks):
    return torch.from_numpy(masks).float().reshape(2, 16, 4, 16, 4).mean((2, 4))


def test_what_differs_from_the_frames_edge_is_present():
    clean = torch.full((1, 4, 16, 16), 0.5)
    clean[:, :, 3:7, 5:9] = 2.0
    expected = torch.zeros(1, 16, 16)
    expected[:, 3:7, 5:9] = 1
    assert torch.equal(presence(clean), expected)
    assert not presence(torch.zeros(1, 4, 16, 16)).any()


def left_half():
    masks = np.zeros((2, 64, 64), bool)
    masks[:, :, :32] = True
    return masks


def test_of_one_beginning_the_own_seed_is_taken_and_of_several_one_that_leaves_the_mask_emptier(pipeline):
    masks = left_half()
    assert emptiest(pipeline, PROMPTS, [7, 8], masks, 1, FAST) == [Beginning(7), Beginning(8)]
    chosen = emptiest(pipeline, PROMPTS, [7, 8], masks, 4, FAST)
    assert chosen == emptiest(pipeline, PROMPTS, [7, 8], masks, 4, FAST)
    guess = first_guess(pipeline, PROMPTS, [7, 8], FAST)
    own = presence(sketch(pipeline, PROMPTS, [7, 8], guess, FAST))
    best = presence(sketch(pipeline, PROMPTS, [one.seed for one in chosen], guess, FAST))
    best = torch.stack([one.flip(-1) if at.mirrored else one for one, at in zip(best, chosen, strict=True)])
    assert overlap(best, small(masks)).mean() < overlap(own, small(masks)).mean()


def test_a_mask_and_its_mirror_image_are_avoided_by_mirror_images(pipeline):
    left, right = (emptiest(pipeline, PROMPTS, [7, 8], masks, 3, FAST) for masks in (left_half(), ~left_half()))
    assert right == [Beginning(one.seed, not one.mirrored) for one in left]


def test_mirrored_noise_becomes_nearly_the_mirror_image(pipeline):
    plain, mirrored = (
        sample(pipeline, PROMPTS, [1, 2], FAST, latents=noise_of(pipeline, begun, FAST))
        for begun in ([Beginning(1), Beginning(2)], [Beginning(1, mirrored=True), Beginning(2, mirrored=True)])
    )
    off = [np.abs(mirrored.astype(float) - other).mean() for other in (plain[:, :, ::-1], plain)]
    assert off[0] < 0.7 * off[1]
    np.testing.assert_array_equal(plain, sample(pipeline, PROMPTS, [1, 2], FAST))


def test_looking_leaves_the_pipeline_as_it_was(pipeline):
    scheduler = pipeline.scheduler
    guess = first_guess(pipeline, PROMPTS, [1, 2], FAST)
    first, again = (sketch(pipeline, PROMPTS, [1, 2], guess, FAST) for _ in range(2))
    assert pipeline.scheduler is scheduler
    np.testing.assert_array_equal(first.numpy(), again.numpy())


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_an_overlap_is_between_nothing_and_all_of_it(values):
    a, b = torch.tensor(values).reshape(2, 1, 4) * 4
    assert 0 <= overlap(a, b) <= 1
    assert overlap(a, b) == overlap(b, a)
