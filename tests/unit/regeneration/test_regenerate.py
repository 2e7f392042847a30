import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from twig_assets.generation import GenerationSettings, generate
from twig_assets.regeneration import RegenerationSettings, UnsupportedSchedulerError, regenerate
from twig_assets.regeneration.steering import SteeredScheduler, steered
from twig_assets.regeneration.vacate import latent_mask, surroundings, vacate

FAST = GenerationSettings(steps=4, batch_size=4)
PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]


@pytest.fixture(scope="module")
def firsts(pipeline):
    return generate(pipeline, PROMPTS, [1, 2], FAST)


@pytest.fixture
def left_half():
    masks = np.zeros((2, 64, 64), bool)
    masks[:, :, :32] = True
    return masks


def test_strength_zero_gives_the_plain_samplers_bytes(pipeline, firsts, left_half):
    off = RegenerationSettings(strength=0)
    again = regenerate(pipeline, PROMPTS, firsts, left_half, [7, 8], off, FAST)
    np.testing.assert_array_equal(again, generate(pipeline, PROMPTS, [7, 8], FAST))


def test_a_steering_that_changes_nothing_gives_the_plain_samplers_bytes(pipeline):
    twin = steered(pipeline, lambda clean, progress: clean)
    np.testing.assert_array_equal(generate(twin, PROMPTS, [7, 8], FAST), generate(pipeline, PROMPTS, [7, 8], FAST))


def test_the_masked_half_is_emptier_than_in_a_plain_draw(pipeline, firsts, left_half):
    always = RegenerationSettings(until=1.0)
    cleared = regenerate(pipeline, PROMPTS, firsts, left_half, [7, 8], always, FAST)
    plain = generate(pipeline, PROMPTS, [7, 8], FAST)
    assert cleared[:, 8:-8, :24].std(axis=(1, 2)).mean() < plain[:, 8:-8, :24].std(axis=(1, 2)).mean()


def test_the_pipeline_itself_stays_as_it_was(pipeline, firsts, left_half):
    before = type(pipeline.scheduler)
    regenerate(pipeline, PROMPTS, firsts, left_half, [7, 8], RegenerationSettings(), FAST)
    assert type(pipeline.scheduler) is before


def test_steered_and_unsteered_agree_on_any_prediction_type():
    for prediction in ("epsilon", "v_prediction", "sample"):
        plain = DDIMScheduler(prediction_type=prediction, clip_sample=False)
        plain.set_timesteps(10)
        scheduler = SteeredScheduler(plain, lambda clean, progress: clean + 0)
        sample, output = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
        t = plain.timesteps[3]
        torch.testing.assert_close(
            scheduler.step(output, t, sample).prev_sample,
            plain.step(output, t, sample).prev_sample,
            atol=1e-4,
            rtol=1e-4,
        )


def test_a_scheduler_that_cannot_be_steered_is_refused(pipeline):
    with pytest.raises(UnsupportedSchedulerError, match="EulerDiscreteScheduler"):
        SteeredScheduler(EulerDiscreteScheduler(), lambda clean, progress: clean)


def test_an_empty_mask_is_refused(pipeline, firsts, left_half):
    left_half[1] = False
    with pytest.raises(ValueError, match="mask 1 .* is empty"):
        regenerate(pipeline, PROMPTS, firsts, left_half, [7, 8], None, FAST)


def test_a_mask_of_another_size_is_refused(pipeline, firsts, left_half):
    with pytest.raises(ValueError, match="must have the model's size"):
        regenerate(pipeline, PROMPTS, firsts, left_half[:, :32], [7, 8], None, FAST)


def test_vacating_fills_the_mask_with_the_ground_and_leaves_the_rest_alone():
    clean = torch.full((1, 4, 16, 16), 0.25)
    clean[:, :, 4:8, 4:8] = 2.0
    mask = torch.zeros(1, 1, 16, 16)
    mask[:, :, 4:8, 4:8] = 1
    steer = vacate(mask, RegenerationSettings(strength=1.0, until=0.5))
    assert torch.equal(steer(clean, 0.0), torch.full_like(clean, 0.25))
    assert steer(clean, 0.5) is clean


def test_the_ground_of_a_fully_masked_image_is_the_mean_latent():
    assert torch.equal(surroundings(torch.ones(1, 4, 4, 4), torch.ones(1, 1, 4, 4)), torch.zeros(1, 4, 1, 1))


def test_the_latent_mask_covers_every_cell_that_is_a_quarter_full_and_grows():
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 20:24, 20:24] = True
    assert latent_mask(mask, (16, 16), 0).sum() == 1
    assert latent_mask(mask, (16, 16), 1).sum() == 9


def test_every_further_attempt_acts_for_longer():
    settings = RegenerationSettings(until=0.5, strength_per_attempt=0.2)
    assert [settings.for_attempt(k).until for k in range(4)] == pytest.approx([0.5, 0.7, 0.9, 1.0])
