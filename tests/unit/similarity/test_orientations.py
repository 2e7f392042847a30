"""Flips and quarter turns."""

import numpy as np
import pytest

from twig_assets.similarity.orientations import ORIENTATIONS, oriented, oriented_stack

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_the_eight_orientations_are_all_different() -> None:
    square = np.arange(9).reshape(3, 3)
    assert len({oriented(square, name).tobytes() for name in ORIENTATIONS}) == 8


def test_names_mean_what_they_say() -> None:
    np.testing.assert_array_equal(oriented(PICTURE, "identity"), PICTURE)
    np.testing.assert_array_equal(oriented(PICTURE, "mirror"), PICTURE[:, ::-1])
    np.testing.assert_array_equal(oriented(PICTURE, "rotate-180"), PICTURE[::-1, ::-1])
    np.testing.assert_array_equal(oriented(PICTURE, "rotate-90")[0], PICTURE[:, -1])
    np.testing.assert_array_equal(oriented(PICTURE, "mirror-rotate-180"), PICTURE[::-1])
    assert oriented(PICTURE, "rotate-270").shape == (3, 2, 3)


@pytest.mark.parametrize("shape", [(4, 5), (5, 4, 1), (4, 5, 3), (6, 6, 3)])
def test_bytes_are_turned_like_other_numbers(shape: tuple[int, ...]) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape)
    for name in ORIENTATIONS:
        turned = oriented(numbers.astype(np.uint8), name)
        np.testing.assert_array_equal(turned, oriented(numbers, name))
        assert turned.flags.c_contiguous


def test_a_picture_of_the_right_size_is_not_resampled(works: np.ndarray) -> None:
    stack = oriented_stack(works[0], 64, 64, 8)
    for layer, name in zip(stack, ORIENTATIONS, strict=True):
        np.testing.assert_array_equal(layer, oriented(works[0], name))


def test_another_size_is_turned_first_and_then_resized(works: np.ndarray) -> None:
    doubled = works[0].repeat(2, axis=0).repeat(2, axis=1)
    stack = oriented_stack(doubled, 64, 64, 8)
    assert stack.shape == (8, 64, 64, 3)
    for layer, name in zip(stack, ORIENTATIONS, strict=True):
        assert np.abs(layer.astype(int) - oriented(works[0], name)).mean() < 6
