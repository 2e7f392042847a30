import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.regeneration.repulsion import contrast, repelled


def square(top, left, side=4, size=8):
    mask = torch.zeros(size, size)
    mask[top : top + side, left : left + side] = 1
    return mask


@given(st.integers(0, 1000), st.floats(0.1, 3), st.floats(0, 1))
def test_repelling_moves_out_of_the_ball_by_its_strength_and_only_inside_the_mask(seed, radius, strength):
    draw = torch.Generator().manual_seed(seed)
    clean, centres = torch.randn(1, 4, 8, 8, generator=draw), torch.randn(1, 1, 4, 8, 8, generator=draw)
    weight = square(2, 2)[None, None]
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
