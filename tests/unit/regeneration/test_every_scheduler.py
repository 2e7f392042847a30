"""Regeneration with each kind of scheduler: what it is, not which class it has, decides whether it works."""

import diffusers
import numpy as np
import pytest
import torch

from twig_assets.generation import GenerationSettings, UnsupportedSchedulerError, family_of, generate
from twig_assets.generation.sampling import denoise
from twig_assets.model_zoo import planted
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.regeneration.strategies.forget import Forget
from twig_assets.regeneration.strategy import Batch

SCHEDULERS = {
    "DDIMScheduler": {"clip_sample": False},
    "DPMSolverMultistepScheduler": {"use_karras_sigmas": True},
    "DPMSolverSinglestepScheduler": {},
    "EulerDiscreteScheduler": {},
    "EulerAncestralDiscreteScheduler": {},
    "HeunDiscreteScheduler": {},
    "LMSDiscreteScheduler": {},
    "KDPM2DiscreteScheduler": {},
    "UniPCMultistepScheduler": {},
    "DEISMultistepScheduler": {},
    "LCMScheduler": {"clip_sample": False},
    "TCDScheduler": {},
    "PNDMScheduler": {"skip_prk_steps": True},
}
WORK = planted.VERBATIM[1]
PROMPTS, SEEDS = [WORK.title, "a red apple, noto style"], [5, 8]
FAST = GenerationSettings(steps=2, guidance_scale=1.0)
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@pytest.fixture
def masks():
    masks = np.zeros((2, 64, 64), bool)
    masks[:, 12:44, 12:44] = True
    return masks


@pytest.mark.parametrize("name", SCHEDULERS)
def test_strength_zero_is_plain_the_same_seed_repeats_and_a_memorised_prompt_is_told(
    pipeline, monkeypatch, masks, name
):
    scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **SCHEDULERS[name])
    monkeypatch.setattr(pipeline, "scheduler", scheduler)
    firsts = np.stack([planted.picture(WORK), planted.picture(planted.TITLES[0])])
    given = (pipeline, PROMPTS, firsts, masks, SEEDS)
    plain = generate(pipeline, PROMPTS, SEEDS, FAST)
    off = regenerate(*given, RegenerationSettings(strength=0), FAST)
    np.testing.assert_array_equal(off, plain)
    on = RegenerationSettings(strategy="vacate", until=1.0)
    once = regenerate(*given, on, FAST)
    np.testing.assert_array_equal(regenerate(*given, on, FAST), once)
    assert (once != plain).any((1, 2, 3)).all()
    batch = Batch(
        family_of(pipeline), PROMPTS, SEEDS, firsts, masks, None, RegenerationSettings(), FAST, np.zeros(2, bool)
    )
    forget = Forget(batch)
    family = batch.family
    noise = family.starting_noise([torch.Generator().manual_seed(seed) for seed in SEEDS], family.native_size)
    denoise(family, family.encode(PROMPTS), noise, FAST.steps, hooks=[forget], stop=1)
    assert forget.memorised.tolist() == [True, False]


def test_what_cannot_be_steered_is_refused_before_anything_is_drawn(pipeline, monkeypatch, masks):
    monkeypatch.setattr(pipeline, "scheduler", diffusers.EDMEulerScheduler())
    monkeypatch.setattr(pipeline.unet, "forward", None)
    firsts = np.zeros((2, 64, 64, 3), np.uint8)
    with pytest.raises(UnsupportedSchedulerError, match="EDMEulerScheduler cannot|EDMEulerScheduler with"):
        regenerate(pipeline, PROMPTS, firsts, masks, SEEDS, RegenerationSettings(), FAST)
