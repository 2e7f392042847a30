"""Keypoints."""

import numpy as np
import pytest

from twig_assets.similarity.detectors.local_features import CANVAS, Features, local_features

CHANGED = {
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "inverted": lambda picture: 255 - picture,
    "mirrored and inverted": lambda picture: np.ascontiguousarray(255 - picture[:, ::-1]),
}


def share_found_again(ours: Features, theirs: Features) -> float:
    """Share of our keypoints that are among theirs: same place, direction, size and descriptor."""
    nearest = (ours.descriptors @ theirs.descriptors.T).argmax(axis=1)
    apart = np.linalg.norm(ours.points - theirs.points[nearest], axis=1)
    turned = np.abs((ours.angles - theirs.angles[nearest] + 180) % 360 - 180)
    alike = (ours.descriptors * theirs.descriptors[nearest]).sum(axis=1)
    same_size = np.isclose(ours.sizes, theirs.sizes[nearest], rtol=0.05)
    return float(((apart < 1.5) & (turned < 3) & (alike > 0.98) & same_size).mean())


@pytest.mark.parametrize("variant", CHANGED)
def test_a_variant_has_the_features_that_are_found_in_the_changed_picture(
    photographs: list[np.ndarray], variant: str
) -> None:
    for picture in photographs[:3]:
        derived, found = local_features(picture).variant(variant), local_features(CHANGED[variant](picture))
        np.testing.assert_array_equal(derived.grey.shape, found.grey.shape)
        assert np.abs(derived.grey.astype(int) - found.grey).max() <= 1
        assert share_found_again(derived, found) > 0.85


def test_descriptors_have_unit_length_and_points_lie_on_the_canvas(art: list[np.ndarray]) -> None:
    found = local_features(art[3])
    assert max(found.grey.shape) == CANVAS
    assert len(found) > 20
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-4)
    assert (found.points >= 0).all()
    assert (found.points <= CANVAS).all()


def test_a_picture_of_one_colour_has_none_and_neither_have_its_variants() -> None:
    found = local_features(np.full((30, 90, 3), 200, np.uint8))
    assert len(found) == len(found.variant("mirrored and inverted")) == 0
    assert found.descriptors.shape == (0, 128)
