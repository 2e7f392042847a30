"""What holds for every scheduler, whatever its name: the clean image is read off it, and a drawing is steered by it."""

from dataclasses import replace

import diffusers
import pytest
import torch

from twig_assets.generation import UnsupportedSchedulerError, family_of
from twig_assets.generation.sampling import Begin, denoise
from twig_assets.generation.schedulers import late, parametrisation
from twig_assets.generation.steering import Steering

SIGMAS = {"use_karras_sigmas": True}
SCHEDULERS = [
    ("DDIMScheduler", {"clip_sample": False}),
    ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "leading"}),
    ("DDPMScheduler", {"clip_sample": False}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverMultistepScheduler", SIGMAS),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    ("EulerDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {**SIGMAS, "timestep_spacing": "leading"}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("KDPM2AncestralDiscreteScheduler", {}),
    ("UniPCMultistepScheduler", {}),
    ("UniPCMultistepScheduler", SIGMAS),
    ("DEISMultistepScheduler", {}),
    ("LCMScheduler", {"clip_sample": False}),
    ("TCDScheduler", {"clip_sample": False}),
    ("PNDMScheduler", {"skip_prk_steps": True, "timestep_spacing": "leading"}),
    ("PNDMScheduler", {"timestep_spacing": "leading"}),
]
FLOWS = [
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
    ("FlowMatchHeunDiscreteScheduler", {}),
    ("DPMSolverMultistepScheduler", {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}),
    ("UniPCMultistepScheduler", {"prediction_type": "flow_prediction", "use_flow_sigmas": True}),
]
MULTISTEP = ("PNDMScheduler", "LMSDiscreteScheduler", "DEISMultistepScheduler", "TCDScheduler")
PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
filterwarnings = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


def scheduler_of(case, like=None):
    name, settings = case
    kind = getattr(diffusers, name)
    made = kind(**settings) if like is None else kind.from_config(like.config, **settings)
    made.set_timesteps(6)
    return made


def shaped(generator):
    return torch.randn(1, 4, 8, 8, generator=generator)


@filterwarnings
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("case", SCHEDULERS, ids=str)
def test_the_clean_image_that_was_put_in_is_read_off_the_true_prediction(case, kind):
    scheduler = scheduler_of((case[0], {**case[1], "prediction_type": kind}))
    draw, timestep = torch.Generator().manual_seed(0), scheduler.timesteps[0]
    clean, noise = shaped(draw), shaped(draw)
    own = scheduler.add_noise(clean, noise, timestep[None])  # the scheduler's own forward process
    sample = scheduler.scale_model_input(own, timestep)
    reading = parametrisation(scheduler)
    signal, level = reading.levels(timestep)
    truth = noise if kind == "epsilon" else signal * noise - level * clean
    close = {"atol": 2e-3, "rtol": 2e-3}
    torch.testing.assert_close(own * reading.scale(timestep), sample)
    torch.testing.assert_close(reading.clean(truth, sample, timestep), clean, **close)
    torch.testing.assert_close(reading.prediction(clean, sample, timestep), truth, **close)
    torch.testing.assert_close(reading.noised(clean, noise, timestep), own, **close)
    assert signal**2 + level**2 == pytest.approx(1)


@pytest.mark.parametrize("case", FLOWS, ids=str)
def test_the_clean_image_is_read_off_a_flows_velocity(case):
    scheduler = scheduler_of(case)
    draw, timestep = torch.Generator().manual_seed(0), scheduler.timesteps[2]
    clean, noise = shaped(draw), shaped(draw)
    own = (
        scheduler.scale_noise(clean, timestep[None], noise)
        if hasattr(scheduler, "scale_noise")
        else scheduler.add_noise(clean, noise, timestep[None])
    )
    reading = parametrisation(scheduler)
    assert sum(reading.levels(timestep)) == pytest.approx(1)
    torch.testing.assert_close(reading.noised(clean, noise, timestep), own)
    torch.testing.assert_close(reading.clean(noise - clean, own, timestep), clean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(reading.prediction(clean, own, timestep), noise - clean, atol=1e-4, rtol=1e-4)


@filterwarnings
@pytest.mark.parametrize("skipped", [0, 2])
@pytest.mark.parametrize("case", [*SCHEDULERS, *FLOWS], ids=str)
def test_a_true_prediction_at_every_call_ends_at_the_clean_image_wherever_the_drawing_begins(case, skipped):
    """A model that knows the image: what it predicts is computed from the reading alone, at every call of a step."""
    scheduler = scheduler_of(case)
    draw = torch.Generator().manual_seed(1)
    clean, noise = shaped(draw), shaped(draw)
    reading, timesteps = parametrisation(scheduler), late(scheduler, skipped)
    sample = reading.noised(clean, noise, timesteps[0])
    drawn = {"generator": draw} if "generator" in scheduler.step.__code__.co_varnames else {}
    for timestep in timesteps:
        if hasattr(scheduler, "scale_model_input"):
            torch.testing.assert_close(
                scheduler.scale_model_input(sample, timestep), reading.scale(timestep) * sample, atol=1e-4, rtol=1e-4
            )
        truth = reading.prediction(clean, reading.scale(timestep) * sample, timestep)
        sample = scheduler.step(truth, timestep, sample, return_dict=False, **drawn)[0]
    # Solvers that go on from old predictions, or whose last step is not to the image itself, come near it only.
    tolerance = 0.35 if case[0] in MULTISTEP else 0.05
    assert (sample - clean).square().mean().sqrt() < tolerance


@filterwarnings
@pytest.mark.parametrize("case", SCHEDULERS, ids=str)
def test_drawings_are_steered_repeatably_and_left_alone_to_the_byte(pipeline, monkeypatch, case):
    monkeypatch.setattr(pipeline, "scheduler", scheduler_of(case, pipeline.scheduler))
    family = family_of(pipeline)
    conditioning, steps = family.encode(PROMPTS), 4

    def drawn(*hooks, begin=None):
        generators = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
        noise = family.starting_noise(generators, family.native_size)
        return denoise(family, conditioning, noise, steps, hooks=hooks, generators=generators, begin=begin)

    goal = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    steered = Steering(lambda prediction: replace(prediction, clean=goal))
    plain = drawn()
    assert torch.equal(drawn(Steering(lambda prediction: prediction)), plain)
    assert torch.equal(drawn(steered), drawn(steered))
    far = (plain - goal).square().mean().sqrt()
    assert (drawn(steered) - goal).square().mean().sqrt() < 0.4 * far
    assert (drawn(steered, begin=Begin(goal, 2)) - goal).square().mean().sqrt() < 0.4 * far


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("EDMEulerScheduler", {}),
        ("CMStochasticIterativeScheduler", {}),
        ("DDIMScheduler", {"prediction_type": "something else"}),
    ],
)
def test_a_scheduler_whose_clean_image_cannot_be_read_is_refused_with_one_that_can_be_used(name, settings):
    with pytest.raises(UnsupportedSchedulerError, match=rf"{name}.*DDIMScheduler"):
        parametrisation(getattr(diffusers, name)(**settings))
