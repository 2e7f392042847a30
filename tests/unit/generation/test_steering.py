from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from twig_assets.generation import GenerationSettings, generate
from twig_assets.generation.steering import SteeredScheduler, steered
from twig_assets.regeneration import UnsupportedSchedulerError

FAST = GenerationSettings(steps=4, batch_size=4)
PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]


@pytest.mark.parametrize("algorithm", ["dpmsolver++", "sde-dpmsolver++"])
def test_a_steering_that_changes_nothing_gives_the_plain_samplers_bytes(pipeline, monkeypatch, algorithm):
    scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, algorithm_type=algorithm)
    monkeypatch.setattr(pipeline, "scheduler", scheduler)
    twin = steered(pipeline, lambda now: now)
    np.testing.assert_array_equal(generate(twin, PROMPTS, [7, 8], FAST), generate(pipeline, PROMPTS, [7, 8], FAST))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_steered_and_unsteered_agree_on_any_prediction_type(kind):
    plain = DDIMScheduler(prediction_type=kind, clip_sample=False)
    plain.set_timesteps(10)
    scheduler = SteeredScheduler(plain, lambda now: replace(now, clean=now.clean + 0))
    sample, output = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    t = plain.timesteps[3]
    torch.testing.assert_close(
        scheduler.step(output, t, sample).prev_sample,
        plain.step(output, t, sample).prev_sample,
        atol=1e-4,
        rtol=1e-4,
    )


def test_a_step_with_another_clean_image_is_the_schedulers_own_step_towards_it():
    plain = DDIMScheduler(prediction_type="sample", clip_sample=False)
    plain.set_timesteps(10)
    other = torch.randn(1, 4, 8, 8)
    scheduler = SteeredScheduler(plain, lambda now: replace(now, clean=other))
    output, latents, t = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), plain.timesteps[3]
    stepped = scheduler.step(output, t, latents).prev_sample
    torch.testing.assert_close(stepped, plain.step(other, t, latents).prev_sample)


def test_a_prediction_says_how_far_the_sampling_is(pipeline):
    seen = []
    twin = steered(pipeline, lambda now: seen.append((now.index, now.progress)) or now)
    generate(twin, PROMPTS[:1], [7], FAST)
    assert seen == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_scheduler_that_cannot_be_steered_is_refused():
    with pytest.raises(UnsupportedSchedulerError, match="EulerDiscreteScheduler"):
        SteeredScheduler(EulerDiscreteScheduler(), lambda now: now)


def test_latents_that_are_not_finite_are_refused(pipeline):
    twin = steered(pipeline, lambda now: replace(now, clean=now.clean * float("nan")))
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        generate(twin, PROMPTS[:1], [7], FAST)
