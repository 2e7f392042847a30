"""Works at an image's size: resized once or twice, and yet compared in eight orientations to the last bit."""

import numpy as np
import pytest

from twig_assets.similarity import ORIENTATIONS
from twig_assets.similarity.orientations import oriented, oriented_stack
from twig_assets.similarity.structural.resized import BACK, Resized, ResizedWorks


@pytest.mark.parametrize("size", [(64, 64), (64, 90), (33, 51), (90, 64)])
@pytest.mark.parametrize("source", [(64, 64), (90, 64), (131, 47), (20, 20)])
def test_turning_a_resized_work_gives_what_turning_and_then_resizing_gives(
    size: tuple[int, int], source: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*source, 3), dtype=np.uint8)
    work = Resized(picture, *size)
    for i, turned in enumerate(oriented_stack(picture, *size, 8)):
        np.testing.assert_array_equal(oriented(work.look(i).pixels, ORIENTATIONS[i]), turned)


def test_every_orientation_has_one_that_leads_back() -> None:
    picture = np.arange(12).reshape(3, 4)
    for i, name in enumerate(ORIENTATIONS):
        np.testing.assert_array_equal(oriented(oriented(picture, name), ORIENTATIONS[BACK[i]]), picture)


def test_a_square_work_of_the_right_size_is_described_once() -> None:
    work = Resized(np.zeros((20, 20, 3), np.uint8), 20, 20)
    assert work.look(0) is work.look(1)


def test_works_are_kept_while_there_is_room_and_the_most_wanted_longest() -> None:
    pictures = [np.full((30, 30, 3), i, np.uint8) for i in range(40)]
    works = ResizedWorks(room=20 * 30 * 30 * 3)
    wanted = works.at(pictures[0], 30, 30)
    for picture in pictures[1:]:
        assert works.at(picture, 30, 30).look(0).pixels[0, 0, 0] == picture[0, 0, 0]
        assert works.at(pictures[0], 30, 30) is wanted
    assert len(works) < 30
