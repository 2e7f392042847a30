import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from twig_assets.generation import GenerationSettings, PromptTooLongError, generate

FAST = GenerationSettings(steps=2, batch_size=2)


def test_the_same_seed_gives_the_same_bytes(pipeline):
    first = generate(pipeline, ["an owl", "a fox"], [1, 2], FAST)
    second = generate(pipeline, ["an owl", "a fox"], [1, 2], FAST)
    assert first.shape == (2, 64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


def test_another_seed_gives_another_image(pipeline):
    one, other = generate(pipeline, ["an owl", "an owl"], [1, 2], FAST)
    assert (one != other).any()


def test_an_image_does_not_depend_on_its_neighbours_seeds(pipeline):
    pair = generate(pipeline, ["an owl", "a fox"], [5, 6], FAST)
    other = generate(pipeline, ["an owl", "a rose"], [5, 7], FAST)
    np.testing.assert_array_equal(pair[0], other[0])


def test_noise_that_a_scheduler_adds_at_every_step_comes_from_the_images_own_seed(pipeline, monkeypatch):
    noisy = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, algorithm_type="sde-dpmsolver++")
    monkeypatch.setattr(pipeline, "scheduler", noisy)
    settings = FAST.model_copy(update={"steps": 4})
    pair = generate(pipeline, ["an owl", "a fox"], [5, 6], settings)
    torch.manual_seed(1)
    other = generate(pipeline, ["an owl", "a rose"], [5, 7], settings)
    np.testing.assert_array_equal(pair[0], other[0])


def test_another_size_is_drawn_when_it_fits_the_autoencoder(pipeline):
    wide = GenerationSettings(steps=1, width=96)
    assert generate(pipeline, ["a fox"], [0], wide).shape == (1, 64, 96, 3)


def test_a_size_that_does_not_fit_is_refused_with_the_factor(pipeline):
    with pytest.raises(ValueError, match="multiples of 4"):
        generate(pipeline, ["a fox"], [0], GenerationSettings(steps=1, width=65))


def test_a_prompt_over_the_token_limit_is_refused_and_not_cut(pipeline):
    with pytest.raises(PromptTooLongError, match="the text encoder reads 32"):
        generate(pipeline, ["a fox and " * 20], [0], FAST)


def test_every_prompt_needs_a_seed(pipeline):
    with pytest.raises(ValueError, match="2 prompts but 1 seeds"):
        generate(pipeline, ["a fox", "an owl"], [0], FAST)


def test_no_prompts_give_no_images(pipeline):
    assert generate(pipeline, [], [], FAST).shape == (0, 64, 64, 3)


def test_progress_counts_the_images_done(pipeline):
    seen = []
    generate(pipeline, ["a fox"] * 3, [0, 1, 2], GenerationSettings(steps=1, batch_size=2), seen.append)
    assert seen == [2, 3]


def drawn(pipeline, **settings):
    return generate(pipeline, ["an owl"], [3], GenerationSettings(steps=5, **settings)).astype(int)


def test_guidance_that_never_begins_gives_the_image_without_guidance(pipeline):
    never = drawn(pipeline, guidance_scale=6, guidance_from=1)
    assert abs(never - drawn(pipeline, guidance_scale=1)).max() <= 1
    assert abs(never - drawn(pipeline, guidance_scale=6, guidance_from=0)).max() > 16


def test_guidance_that_begins_late_is_between_the_two(pipeline):
    late = drawn(pipeline, guidance_scale=6, guidance_from=0.4)
    assert abs(late - drawn(pipeline, guidance_scale=6, guidance_from=1)).max() > 16
    assert abs(late - drawn(pipeline, guidance_scale=6, guidance_from=0)).max() > 4


def test_rescaling_tames_the_contrast_that_strong_guidance_adds(pipeline):
    wild, tame = (drawn(pipeline, guidance_scale=12, guidance_from=0, guidance_rescale=r) for r in (0, 1))
    assert tame.std() < wild.std()
