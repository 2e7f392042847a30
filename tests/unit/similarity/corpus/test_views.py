"""Works of several views among others."""

from pathlib import Path

import numpy as np

from tests.unit.similarity.corpus.picture_files import scene
from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit
from twig_assets.similarity.corpus.views import drawings, first_views, view_key, works_of
from twig_assets.similarity.detectors.pdq import pdq


def frames(name: str, pictures: list[np.ndarray]) -> list[ReferenceImage]:
    return [ReferenceImage(Path(name), name, "", "", name, p, f"frame {i}") for i, p in enumerate(pictures, 1)]


def picture(seed: int) -> np.ndarray:
    return np.asarray(scene(96, 96, seed=seed))


def moving(count: int) -> list[np.ndarray]:
    """Frames that are all but equal: each a little brighter than the one before."""
    return [(picture(1).astype(int) + i).clip(0, 255).astype(np.uint8) for i in range(count)]


def test_a_work_of_many_frames_leaves_other_works_their_place_among_candidates_and_matches() -> None:
    works = [*frames("moving", moving(12)), *(work for s in (2, 3, 4) for work in frames(f"work {s}", [picture(s)]))]
    index = ReferenceIndex([work.pixels for work in works], works=works_of(works))
    proposed = index.candidates(index.describe(picture(1)), 3)
    for source in ("hog", "pdq"):
        titles = [works[c.reference].title for c in proposed if source in c.proposed_by]
        assert len(titles) == len(set(titles)) == 3
    [result] = audit(picture(1)[None], works, Policy())
    assert result.verdict == "fail"
    assert sum("'moving'" in reason for reason in result.reasons) == len(result.reasons) <= 2
    assert sorted(match.reference_sha256 for match in result.matches) == ["moving", "work 2", "work 3", "work 4"]
    assert result.matches[0].reference_view.startswith("frame ")


def test_features_of_frames_that_are_all_but_equal_are_searched_once() -> None:
    codes = [pdq(frame) for frame in (*moving(5), picture(2))]
    assert drawings(codes) == [0, 5]


def test_works_are_numbered_and_shown_by_their_first_view() -> None:
    works = [*frames("a", [picture(1), picture(2)]), *frames("b", [picture(3)])]
    assert works_of(works) == [0, 0, 1]
    assert [work.view for work in first_views(works)] == ["frame 1", "frame 1"]


def test_a_plain_pictures_key_is_its_hash_so_that_its_results_are_as_they_were() -> None:
    assert view_key("ab12", "") == "ab12"
    assert view_key("ab12", "frame 3, on black") == "ab12 frame 3, on black"
