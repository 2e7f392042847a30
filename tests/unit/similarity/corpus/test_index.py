"""The closer look: how something was copied, and that unrelated pictures are left alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from twig_assets.similarity import Policy
from twig_assets.similarity.corpus.index import Evidence, ReferenceIndex, gather
from twig_assets.similarity.detectors.copies import transformed
from twig_assets.similarity.verdicts.rule import triggered

HOW = {
    "identical": ("identical",),
    "jpeg 30": ("identical",),
    "mirror": ("mirrored",),
    "turn 15": ("rotated", "cropped"),
    "turn 90": ("rotated",),
    "crop 75": ("cropped",),
    "invert": ("recoloured",),
    "mirror, crop 90, jpeg": ("mirrored", "cropped"),
    "pasted in": ("pasted in",),
}


@pytest.fixture(scope="session")
def art_index(art: list[np.ndarray]) -> ReferenceIndex:
    return ReferenceIndex(art[:6])


@pytest.fixture(scope="session")
def photograph_index(photographs: list[np.ndarray]) -> ReferenceIndex:
    return ReferenceIndex(photographs[:6])


def of(index: ReferenceIndex, pictures: Sequence[np.ndarray], image: np.ndarray, reference: int) -> Evidence:
    [found] = [one for one in gather(index, pictures, image, 3, also=[reference]) if one.reference == reference]
    return found


@pytest.mark.parametrize("transform", HOW)
def test_flat_art_is_found_with_how_it_was_copied(
    art: list[np.ndarray], art_index: ReferenceIndex, transform: str
) -> None:
    for source in (0, 3, 5):
        copy = transformed(art[source], transform, np.random.default_rng(source), art[7])
        found = of(art_index, art, copy, source)
        assert found.copied == HOW[transform]
        assert "local features" in found.proposed_by
        assert triggered(found.scores, Policy().model_dump())


@pytest.mark.parametrize("transform", HOW)
def test_a_photograph_is_found_with_how_it_was_copied(
    photographs: list[np.ndarray], photograph_index: ReferenceIndex, transform: str
) -> None:
    for source in (0, 2, 3):
        copy = transformed(photographs[source], transform, np.random.default_rng(source), photographs[6])
        found = of(photograph_index, photographs, copy, source)
        assert found.copied == HOW[transform]
        assert triggered(found.scores, Policy().model_dump())


def test_no_detector_triggers_between_unrelated_pictures(
    art: list[np.ndarray],
    art_index: ReferenceIndex,
    photographs: list[np.ndarray],
    photograph_index: ReferenceIndex,
) -> None:
    strangers = [*art[6:], *photographs[6:]]
    for index, pictures in ((art_index, art), (photograph_index, photographs)):
        for stranger in strangers:
            for name in ("identical", "mirror", "crop 75"):
                image = transformed(stranger, name, np.random.default_rng(1), stranger)
                for pair in gather(index, pictures, image, 6):
                    assert triggered(pair.scores, Policy().model_dump()) == []


def test_texture_that_matches_itself_everywhere_is_no_evidence(photographs: list[np.ndarray]) -> None:
    textures = [photographs[5], photographs[7]]
    index = ReferenceIndex(textures)
    for stranger in (photographs[1], photographs[4]):
        assert max(pair.scores["sift_inliers"] or 0 for pair in gather(index, textures, stranger, 2)) < 8
