"""PDQ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twig_assets.similarity.detectors.copies import transformed
from twig_assets.similarity.detectors.pdq import pdq, pdq_orientations
from twig_assets.similarity.orientations import ORIENTATIONS, oriented


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 90), st.integers(20, 90), st.sampled_from(ORIENTATIONS))
def test_a_picture_and_its_turned_copy_have_the_same_eight_hashes(seed: int, h: int, w: int, turn: str) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC))
    ours, theirs = pdq_orientations(picture), pdq_orientations(oriented(picture, turn))
    assert {code.tobytes() for code in ours} == {code.tobytes() for code in theirs}
    assert ours[ORIENTATIONS.index(turn)].tobytes() == pdq(oriented(picture, turn)).tobytes()


@pytest.mark.parametrize("name", ["jpeg 30", "grey", "blur", "noise"])
def test_an_edited_copy_stays_near(photographs: list[np.ndarray], name: str) -> None:
    for picture in photographs:
        copy = transformed(picture, name, np.random.default_rng(0), picture)
        assert np.bitwise_count(pdq(picture) ^ pdq(copy)).sum() < 40


def test_unrelated_pictures_are_far_apart(photographs: list[np.ndarray]) -> None:
    for other in photographs[1:]:
        assert np.bitwise_count(pdq_orientations(photographs[0]) ^ pdq(other)).sum(axis=1).min() > 60


def test_a_picture_smaller_than_the_grid_has_a_hash(art: list[np.ndarray]) -> None:
    assert pdq(art[0][:20, :30]).shape == (32,)
