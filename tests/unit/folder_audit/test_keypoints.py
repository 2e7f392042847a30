"""Drawn matches."""

import numpy as np

from twig_assets.folder_audit.keypoints import GAP, draw_matches


def test_a_mirrored_copy_is_drawn_as_it_is_beside_the_work(works: list[np.ndarray]) -> None:
    work = works[0].repeat(4, axis=0).repeat(4, axis=1)
    drawn = draw_matches(work[:, ::-1], work)
    assert drawn is not None
    assert drawn.agreeing >= 5
    assert drawn.pixels.shape == (256, 2 * 256 + GAP, 3)
    left, right = drawn.pixels[:, :256].astype(int), drawn.pixels[:, 256 + GAP :].astype(int)
    # But for the lines, the left half is the right one mirrored.
    assert np.median(np.abs(left[:, ::-1] - right)) <= 2


def test_nothing_is_drawn_where_nothing_matches(works: list[np.ndarray]) -> None:
    assert draw_matches(works[0], np.full((40, 40, 3), 128, np.uint8)) is None
