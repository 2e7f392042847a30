"""Planted copies."""

import numpy as np
import pytest

from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed


def test_there_are_eighteen_and_each_is_another_picture(photographs: list[np.ndarray]) -> None:
    copies = {
        name: transformed(photographs[0], name, np.random.default_rng(0), photographs[3]).tobytes()
        for name in TRANSFORMS
    }
    assert len(copies) == len(set(copies.values())) == 18
    assert copies["identical"] == photographs[0].tobytes()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copy_has_the_size_that_is_told_and_the_same_seed_gives_the_same_bytes(
    photographs: list[np.ndarray], name: str
) -> None:
    wide, ground = photographs[2], photographs[0][:100]
    first, second = (transformed(wide, name, np.random.default_rng(7), ground) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    sizes = {"turn 90": wide.shape[1::-1], "pasted in": ground.shape[:2]}
    assert first.shape == (*sizes.get(name, wide.shape[:2]), 3)
    assert first.dtype == np.uint8
