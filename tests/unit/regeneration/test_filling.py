import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from tests.unit.regeneration.pictures import box
from tests.unit.regeneration.strategies.batches import prediction
from twig_assets.generation import GenerationSettings, family_of, generate
from twig_assets.model_zoo import planted
from twig_assets.regeneration.filling import Depth, Filling, Held, ground_explained, set_in
from twig_assets.regeneration.moving import Move, continued, slid

DEPTH = Depth(6, 0.5)
TITLES = [work.title for work in planted.WORKS[:2]]


@pytest.fixture(scope="module")
def drawn(pipeline):
    """Scenes that the model draws itself, moved."""
    images = generate(pipeline, TITLES, [70, 71], GenerationSettings(steps=8, batch_size=2))
    shape = box(24, 24)
    return [
        slid(images[0], Move(0, 9, 0.3, 0.0), shape, [0, 0, 0]),
        slid(images[1], Move(-9, 5, 0.3, 0.0), shape, [0, 0, 0]),
    ]


def filled(pipeline, moved, seeds=(3, 4), least=-9.0):
    return Filling(family_of(pipeline), seeds, moved, DEPTH).filled(least)


def test_the_model_draws_what_is_bare_and_all_else_keeps_its_pixels_but_for_a_narrow_band(pipeline, drawn):
    for each, fill in zip(drawn, filled(pipeline, drawn), strict=True):
        assert fill.drawn
        assert (fill.image[each.bare] != each.image[each.bare]).mean() > 0.5
        far = distance_transform_edt(~each.bare) > 64 / 32
        np.testing.assert_array_equal(fill.image[far], each.image[far])


def test_the_same_seed_draws_the_same_bytes_whatever_else_is_filled_with_it(pipeline, drawn):
    both, again = filled(pipeline, drawn), filled(pipeline, drawn)
    alone, other = filled(pipeline, drawn[1:], [4])[0], filled(pipeline, drawn[1:], [5])[0]
    np.testing.assert_array_equal(both[1].image, again[1].image)
    assert np.abs(both[1].image.astype(int) - alone.image).max() <= 1
    assert (both[1].image != other.image).any()


def test_every_step_is_counted_and_a_ground_that_the_model_does_not_know_costs_one(pipeline, drawn):
    shape = box(24, 24)
    checks = np.kron(np.indices((16, 16)).sum(0) % 2, np.ones((4, 4)))[..., None] * np.uint8([250, 20, 180])
    strange = slid(checks.astype(np.uint8), Move(0, 9, 0.3, 0.0), shape, [0, 0, 0])
    known, unknown = filled(pipeline, [drawn[0], strange], least=0.3)
    assert known.drawn
    assert known.evaluations == 1 + DEPTH.taken == 4
    assert not unknown.drawn
    assert unknown.evaluations == 1
    assert unknown.explained < 0.3 < known.explained
    np.testing.assert_array_equal(unknown.image, continued(strange))


def test_known_latents_are_held_and_the_others_are_drawn():
    known, bare = torch.zeros(1, 4, 16, 16), torch.zeros(1, 1, 16, 16)
    bare[..., 10:] = 1
    clean = torch.ones(1, 4, 16, 16)
    held = Held(known, bare).steer(prediction(clean)).clean
    assert (held[..., 10:] == 1).all()
    assert (held[..., :10] == 0).all()


def test_a_prediction_of_the_ground_itself_explains_all_of_it_and_one_of_its_mean_nothing():
    known = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    taken = torch.zeros(2, 1, 16, 16)
    taken[..., :4] = 1
    wrong_in_the_area = known.clone()
    wrong_in_the_area[..., :4] += 5
    assert ground_explained(wrong_in_the_area, known, taken) == pytest.approx([1, 1])
    mean = known[..., 4:].mean((2, 3), keepdim=True).expand_as(known)
    assert ground_explained(mean, known, taken) == pytest.approx([0, 0], abs=1e-5)


def test_a_band_leads_over_from_the_image_to_what_was_drawn():
    image, bare = np.full((64, 64, 3), 100, np.uint8), np.zeros((64, 64), bool)
    bare[:, 50:] = True
    there = set_in(image, bare, np.full((64, 64, 3), 200.0))
    assert (there[:, 50:] == 200).all()
    assert (there[:, :48] == 100).all()
    assert there[0, 48:51, 0].tolist() == [100, 150, 200]


@pytest.mark.parametrize(("share", "taken"), [(0.01, 1), (0.5, 10), (1.0, 20)])
def test_at_least_one_step_is_taken(share, taken):
    depth = Depth(20, share)
    assert depth.taken == taken
    assert depth.begin(torch.zeros(1)).index == 20 - taken
