import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.generation.steering import Prediction
from twig_assets.regeneration import RegenerationSettings
from twig_assets.regeneration.latents import grown, latent_mask, surroundings
from twig_assets.regeneration.memorisation import Need, explained
from twig_assets.regeneration.strategies.repel import contrast, repelled
from twig_assets.regeneration.strategies.vacate import vacate


def prediction(clean, index=0, steps=10, sample=None):
    return Prediction(clean, torch.zeros_like(clean) if sample is None else sample, 0.6, 0.8, index, steps)


def square(top, left, side=4, size=16):
    mask = torch.zeros(size, size)
    mask[top : top + side, left : left + side] = 1
    return mask


def test_vacating_fills_the_mask_with_the_ground_and_leaves_the_rest_alone():
    clean = torch.full((1, 4, 16, 16), 0.25)
    clean[:, :, 4:8, 4:8] = 2.0
    steer = vacate(square(4, 4)[None, None], RegenerationSettings(until=0.5))
    assert torch.equal(steer(prediction(clean)).clean, torch.full_like(clean, 0.25))
    late = prediction(clean, index=5)
    assert steer(late) is late


def test_the_ground_of_a_fully_masked_image_is_the_mean_latent():
    assert torch.equal(surroundings(torch.ones(1, 4, 4, 4), torch.ones(1, 1, 4, 4)), torch.zeros(1, 4, 1, 1))


def test_the_latent_mask_covers_every_cell_that_is_a_quarter_full_and_grows():
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 20:24, 20:24] = True
    assert latent_mask(mask, (16, 16)).sum() == 1
    assert latent_mask(grown(mask, 4), (16, 16)).sum() == 9
    np.testing.assert_array_equal(grown(mask, 0), mask)


@given(st.integers(0, 1000), st.floats(0.1, 3), st.floats(0, 1))
def test_repelling_moves_out_of_the_ball_by_its_strength_and_only_inside_the_mask(seed, radius, strength):
    draw = torch.Generator().manual_seed(seed)
    clean, centres = torch.randn(1, 4, 8, 8, generator=draw), torch.randn(1, 1, 4, 8, 8, generator=draw)
    weight = square(2, 2, size=8)[None, None]
    balls = torch.full((1, 1), radius)
    moved = repelled(clean, centres, weight, balls, strength)

    def distance(x):
        return float((x - centres[:, 0])[:, :, 2:6, 2:6].square().mean().sqrt())

    before = distance(clean)
    assert torch.equal(moved * (1 - weight), clean * (1 - weight))
    if before >= radius:
        assert moved is clean
    else:
        assert distance(moved) == pytest.approx(before + strength * (radius - before), abs=1e-4)


def test_the_contrast_of_a_flat_picture_is_zero():
    assert contrast(torch.full((1, 2, 4, 8, 8), 3.0), torch.ones(1, 1, 8, 8)).tolist() == [[0.0, 0.0]]


def test_a_picture_explains_itself_and_nothing_explains_another():
    picture = torch.randn(1, 4, 16, 16)
    assert explained(picture, picture).item() == pytest.approx(1)
    assert explained(torch.randn(1, 4, 16, 16), picture).item() < 0.2


def test_what_is_known_by_heart_gets_opposite_guidance_and_what_is_ordinary_none():
    first = torch.randn(2, 4, 16, 16)
    settings = RegenerationSettings(delay_until=0.5, delay_scale=-2.0, neutral="")
    need = Need(first, None, settings)
    assert need.scales(0.0) is None
    assert need.neutral(0.0) is None
    start = prediction(torch.stack([first[0], torch.randn(4, 16, 16)]))
    forgotten = need.steer(start).clean
    assert not forgotten[0].any()
    assert torch.equal(forgotten[1], start.clean[1])
    later = prediction(first, index=1)
    assert need.steer(later) is later
    scales = [need.scales(progress) for progress in (0.1, 0.5)]
    assert [float(scale[0]) for scale in scales if scale is not None] == [-2, 0]
    assert [bool(scale[1].isnan()) for scale in scales if scale is not None] == [True, True]


def test_the_neutral_prompt_is_first_what_opposite_guidance_starts_from_and_then_in_place_of_the_prompt():
    first = torch.randn(2, 4, 16, 16)
    need = Need(first, None, RegenerationSettings(delay_until=0.5, delay_scale=-2.0))
    need.steer(prediction(torch.stack([first[0], torch.randn(4, 16, 16)])))
    early, late = need.neutral(0.1), need.neutral(0.5)
    assert early is not None
    assert late is not None
    assert early.tolist() == [True, False, False, False]
    assert late.tolist() == [False, False, True, False]
    assert need.scales(0.5) is None, "guidance towards the neutral prompt is the usual one"


def test_ordinary_prompts_keep_their_guidance():
    need = Need(torch.randn(1, 4, 16, 16), None, RegenerationSettings())
    start = prediction(torch.randn(1, 4, 16, 16))
    assert need.steer(start) is start
    assert need.scales(0.5) is None
    assert need.neutral(0.5) is None


def test_what_is_near_a_protected_work_from_the_first_step_is_known_by_heart_whatever_the_first_image():
    draw = torch.Generator().manual_seed(5)
    work, other, first = (torch.randn(1, 4, 16, 16, generator=draw) for _ in range(3))
    near = 0.8 * work + 0.2 * other
    blurred = prediction(torch.cat([near, other]))
    need = Need(first.expand(2, 4, 16, 16), torch.cat([other * 3, work]), RegenerationSettings(near_work=0.6))
    forgotten = need.steer(blurred).clean
    assert need.memorised is not None
    assert need.memorised.tolist() == [True, False]
    assert not forgotten[0].any()
    assert torch.equal(forgotten[1], other[0])


def test_every_attempt_is_stronger_than_the_one_before():
    attempts = [RegenerationSettings().for_attempt(attempt) for attempt in range(10)]
    assert attempts[0] == RegenerationSettings()
    for before, after in itertools.pairwise(attempts):
        assert (after.until, after.delay_until, after.radius) >= (before.until, before.delay_until, before.radius)
        assert after.memorised <= before.memorised
        assert after.near_work <= before.near_work
    assert attempts[1].until > attempts[0].until
    assert (attempts[1].memorised, attempts[1].near_work) == pytest.approx((0.7, 0.45))
    assert (attempts[9].memorised, attempts[9].near_work) == (0.3, 0.3)


def test_a_threshold_that_was_set_below_the_least_stays_where_it_was_set():
    assert RegenerationSettings(near_work=0.1).for_attempt(3).near_work == 0.1
