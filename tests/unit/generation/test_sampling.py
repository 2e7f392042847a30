from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EDMEulerScheduler

from twig_assets.generation import (
    Capability,
    GenerationSettings,
    MissingCapabilityError,
    UnsupportedSchedulerError,
    family_of,
    generate,
)
from twig_assets.generation.sampling import Begin, Guidance, denoise, sample
from twig_assets.generation.steering import SamplingHook, Steering

FAST = GenerationSettings(steps=4, batch_size=4)
PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
SEEDS = [7, 8]


@pytest.fixture
def family(pipeline):
    return family_of(pipeline)


def noise(family, seeds=SEEDS):
    return family.starting_noise([torch.Generator().manual_seed(seed) for seed in seeds], family.native_size)


@pytest.mark.parametrize("fields", [{}, {"guidance_from": 0.0}, {"guidance_scale": 1.0}], ids=str)
def test_the_loop_draws_what_the_pipelines_own_loop_draws(pipeline, family, fields):
    settings = FAST.model_copy(update=fields)
    late = {"guidance_scale": 1 + 1e-6} if settings.guidance_from and settings.guidance_scale > 1 else {}

    def begin(pipeline, step, timestep, tensors):
        if step + 1 >= settings.guidance_from * settings.steps:
            pipeline._guidance_scale = settings.guidance_scale
        return {}

    call = {"guidance_scale": settings.guidance_scale, "guidance_rescale": settings.guidance_rescale} | late
    own = pipeline(
        PROMPTS,
        num_inference_steps=settings.steps,
        latents=noise(family),
        output_type="pt",
        callback_on_step_end=begin if late else None,
        **call,
    ).images
    own = own.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(generate(pipeline, PROMPTS, SEEDS, settings), own)


def test_encoded_prompts_draw_what_the_prompts_draw(family):
    plain = sample(family, PROMPTS, SEEDS, FAST)
    np.testing.assert_array_equal(sample(family, family.encode(PROMPTS), SEEDS, FAST), plain)
    np.testing.assert_array_equal(sample(family, PROMPTS, SEEDS, FAST, noise(family)), plain)


@pytest.mark.parametrize("algorithm", ["dpmsolver++", "sde-dpmsolver++"])
def test_a_hook_that_changes_nothing_gives_the_plain_samplers_bytes(pipeline, family, monkeypatch, algorithm):
    scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, algorithm_type=algorithm)
    monkeypatch.setattr(pipeline, "scheduler", scheduler)
    hooked = sample(family, PROMPTS, SEEDS, FAST, hooks=[SamplingHook()])
    np.testing.assert_array_equal(hooked, sample(family, PROMPTS, SEEDS, FAST))


def test_steering_to_the_prediction_itself_changes_next_to_nothing(family):
    same = Steering(lambda prediction: replace(prediction, clean=prediction.clean + 0))
    images = sample(family, PROMPTS, SEEDS, FAST, hooks=[same])
    assert np.abs(images.astype(int) - sample(family, PROMPTS, SEEDS, FAST)).max() <= 1


def test_steering_every_step_to_a_clean_image_ends_at_that_image(family):
    goal = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    hook = Steering(lambda prediction: replace(prediction, clean=goal))
    latents = denoise(family, family.encode(PROMPTS), noise(family), 6, hooks=[hook])
    torch.testing.assert_close(latents, goal, atol=0.05, rtol=0.05)


def test_a_prediction_knows_its_step_and_what_was_read(family):
    predictions = []
    hook = Steering(lambda prediction: predictions.append(prediction) or prediction)
    sample(family, PROMPTS, SEEDS, FAST, hooks=[hook])
    assert [prediction.step.progress for prediction in predictions] == [0.0, 0.25, 0.5, 0.75]
    assert [prediction.step.guidance_scale for prediction in predictions] == pytest.approx([1, 3, 3, 3], abs=1e-5)
    assert torch.equal(predictions[-1].conditioning.tokens, family.encode(PROMPTS).tokens)


def test_the_loop_stops_where_it_is_told_to(family):
    predictions = []
    hook = Steering(lambda prediction: predictions.append(prediction) or prediction)
    denoise(family, family.encode(PROMPTS), noise(family), 5, hooks=[hook], stop=2)
    assert [prediction.step.index for prediction in predictions] == [0, 1]


def test_a_drawing_that_begins_late_takes_only_the_last_steps_from_the_picture_with_noise_over_it(family):
    clean, predictions = torch.full((2, 4, 16, 16), 0.3), []
    hook = Steering(lambda prediction: predictions.append(prediction) or prediction)
    latents = denoise(family, family.encode(PROMPTS), noise(family), 5, hooks=[hook], begin=Begin(clean, 3))
    assert [prediction.step.index for prediction in predictions] == [3, 4]
    first = predictions[0]
    torch.testing.assert_close(first.sample, first.signal * clean + first.noise * noise(family).float())
    held = Steering(lambda prediction: replace(prediction, clean=clean))
    ended = denoise(family, family.encode(PROMPTS), noise(family), 5, hooks=[held], begin=Begin(clean, 3))
    torch.testing.assert_close(ended, clean, atol=0.02, rtol=0.02)
    assert not torch.equal(latents, ended)


class _OtherPrompt(SamplingHook):
    def __init__(self, other, rows):
        self.other, self.rows = other, rows

    def condition(self, step, conditioning):
        return conditioning.replaced(self.rows, self.other)


def test_an_image_whose_prompt_is_replaced_is_what_the_other_prompt_draws_and_its_neighbour_is_left_alone(family):
    hook = _OtherPrompt(family.encode(["an owl"]), torch.tensor([False, False, True, False]))
    images = sample(family, PROMPTS, SEEDS, FAST, hooks=[hook])
    np.testing.assert_array_equal(images, sample(family, ["an owl", PROMPTS[1]], SEEDS, FAST))


def test_what_is_read_without_the_prompt_can_be_replaced_too(family):
    hook = _OtherPrompt(family.encode(["an owl"]), torch.tensor([True, False, False, False]))
    images, plain = sample(family, PROMPTS, SEEDS, FAST, hooks=[hook]), sample(family, PROMPTS, SEEDS, FAST)
    assert (images[0] != plain[0]).any()
    np.testing.assert_array_equal(images[1], plain[1])


def test_without_guidance_nothing_is_asked_about_guidance(family):
    class Refusing(SamplingHook):
        def guide(self, step, without, prompted):
            raise AssertionError("there is no guidance to change")

    plain = FAST.model_copy(update={"guidance_scale": 1.0})
    sample(family, PROMPTS, SEEDS, plain, hooks=[Refusing()])
    family.capabilities = family.capabilities - {Capability.GUIDANCE}
    sample(family, PROMPTS, SEEDS, FAST, hooks=[Refusing()])


def test_a_scheduler_that_cannot_be_read_draws_plainly_and_refuses_hooks(pipeline, family, monkeypatch):
    monkeypatch.setattr(pipeline, "scheduler", EDMEulerScheduler())
    assert sample(family, PROMPTS, SEEDS, FAST).shape == (2, 64, 64, 3)
    with pytest.raises(UnsupportedSchedulerError, match="EDMEulerScheduler"):
        sample(family, PROMPTS, SEEDS, FAST, hooks=[SamplingHook()])


def test_latents_that_are_not_finite_are_refused_at_their_step(family):
    broken = Steering(lambda prediction: replace(prediction, clean=prediction.clean * float("nan")))
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        sample(family, PROMPTS[:1], SEEDS[:1], FAST, hooks=[broken])


def test_guidance_begins_after_its_share_of_the_steps():
    guidance = Guidance(scale=3.0, begins=0.5)
    assert [guidance.scale_at(i, 4) for i in range(4)] == pytest.approx([1, 1, 3, 3], abs=1e-5)
    assert Guidance(begins=0.5).scale_at(0, 4) == 1


def test_a_negative_prompt_is_what_guidance_leads_away_from(family):
    away = FAST.model_copy(update={"negative_prompt": "a red apple"})
    plain, images = sample(family, PROMPTS, SEEDS, FAST), sample(family, PROMPTS, SEEDS, away)
    assert (images != plain).any((1, 2, 3)).all()
    unguided = {"guidance_scale": 1.0}
    np.testing.assert_array_equal(
        sample(family, PROMPTS, SEEDS, away.model_copy(update=unguided)),
        sample(family, PROMPTS, SEEDS, FAST.model_copy(update=unguided)),
    )
    family.capabilities = family.capabilities - {Capability.GUIDANCE}
    with pytest.raises(MissingCapabilityError, match="a negative prompt needs"):
        sample(family, PROMPTS, SEEDS, away)


def test_settings_without_a_negative_prompt_are_written_as_before_there_was_one():
    assert "negative_prompt" not in FAST.model_dump(mode="json")
    assert GenerationSettings(negative_prompt="blur").model_dump()["negative_prompt"] == "blur"
