"""Auditing without what is allowed of works: what lies within it is let by, and nothing else."""

import numpy as np
import pytest

from twig_assets.similarity import Policy, ReferenceImage, audit, opened_sources
from twig_assets.similarity.allowed import Allowed, Part, RestOfWorks, painted_over

TOP: Part = (0.0, 0.0, 1.0, 0.5)
POLICY = Policy()


def rest(corpus: list[ReferenceImage], *allowed: Allowed) -> RestOfWorks:
    return RestOfWorks(corpus, allowed, POLICY, opened_sources(POLICY.model_dump()))


def verdict(works: RestOfWorks, image: np.ndarray, mask: np.ndarray | None = None) -> str:
    result = works.audit(image, np.zeros(image.shape[:2], bool) if mask is None else mask, "image")
    assert result is not None
    assert len({match.reference_sha256 for match in result.matches}) == len(result.matches), "each work once"
    return result.verdict


@pytest.fixture(scope="module")
def without_first(corpus: list[ReferenceImage]) -> RestOfWorks:
    return rest(corpus, Allowed(corpus[0].sha256))


@pytest.fixture(scope="module")
def without_top(corpus: list[ReferenceImage]) -> RestOfWorks:
    return rest(corpus, Allowed(corpus[0].sha256, (TOP,)))


@pytest.mark.parametrize("turn", [0, 1])
def test_a_copy_of_a_work_that_is_allowed_as_a_whole_passes(
    without_first: RestOfWorks, works: np.ndarray, turn: int
) -> None:
    assert verdict(without_first, np.ascontiguousarray(np.rot90(works[0], turn))) == "pass"


def test_every_other_work_is_found_as_before(
    without_first: RestOfWorks, corpus: list[ReferenceImage], works: np.ndarray
) -> None:
    for other in works[1:4]:
        pasted = works[0].copy()
        pasted[20:64, 20:64] = other[20:64, 20:64]
        for image in (other, pasted):
            [before] = audit(image[None], corpus[1:], POLICY)
            assert verdict(without_first, image) == before.verdict


def test_a_picture_that_shows_no_more_than_the_allowed_part_passes(
    without_top: RestOfWorks, corpus: list[ReferenceImage], works: np.ndarray, art: list[np.ndarray]
) -> None:
    judged = []
    for drawing in art[:6]:
        image = works[0].copy()
        image[32:] = drawing[32:]
        [before] = audit(image[None], corpus, POLICY)
        judged.append((before.verdict, verdict(without_top, image)))
    assert sum(before == "fail" for before, _ in judged) >= 3, "else this shows nothing"
    assert {after for _, after in judged} == {"pass"}


@pytest.mark.parametrize("share", [0.2, 0.7])
@pytest.mark.parametrize("frame", [False, True])
def test_a_copy_of_more_than_the_allowed_part_still_fails(
    corpus: list[ReferenceImage], works: np.ndarray, share: float, frame: bool
) -> None:
    edge = (1 - np.sqrt(1 - share)) / 2
    sides: tuple[Part, ...] = (
        (0, 0, 1, edge), (0, 1 - edge, 1, edge), (0, 0, edge, 1), (1 - edge, 0, edge, 1)
    )  # fmt: skip
    left = rest(corpus, Allowed(corpus[3].sha256, sides if frame else ((0, 0, 1, share),)))
    for image in (works[3], np.ascontiguousarray(np.rot90(works[3][:, ::-1]))):
        assert verdict(left, image) == "fail"


def test_the_part_of_another_work_is_not_allowed_with_it(
    without_top: RestOfWorks, corpus: list[ReferenceImage], works: np.ndarray
) -> None:
    image = works[0].copy()
    image[32:] = works[1][32:]
    assert verdict(without_top, image) == "fail"
    both = rest(corpus, Allowed(corpus[0].sha256, (TOP,)), Allowed(corpus[1].sha256))
    assert verdict(both, image) == "pass"


def test_where_nothing_is_left_of_the_works_nothing_is_said(corpus: list[ReferenceImage], works: np.ndarray) -> None:
    only = rest(corpus[:1], Allowed(corpus[0].sha256))
    assert only.audit(works[0], np.zeros((64, 64), bool), "image") is None
    plain = np.full((64, 64, 3), 200, np.uint8)
    plain[:20] = works[0][:20]
    edged = [ReferenceImage(corpus[0].path, "edged", "", "", "e" * 64, plain), *corpus[1:]]
    assert verdict(rest(edged, Allowed("e" * 64, ((0, 0, 1, 20 / 64),))), plain) == "pass", "plain ground is nobody's"


def test_another_view_of_a_work_is_compared_as_it_is(corpus: list[ReferenceImage], works: np.ndarray) -> None:
    from dataclasses import replace

    second = replace(corpus[0], pixels=np.ascontiguousarray(works[2][:, :60]), view="page 2")
    left = rest([corpus[0], second, corpus[1]], Allowed(corpus[0].sha256, ((0, 0, 1, 0.99),)))
    assert verdict(left, works[2]) == "fail"


def test_painting_over_changes_the_part_only_and_makes_no_edge() -> None:
    ramp = np.repeat(np.linspace(40, 200, 64)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8)
    ramp[10:30, 20:40] = 255
    hole = np.zeros((64, 64), bool)
    hole[10:30, 20:40] = True
    painted = painted_over(ramp, hole)
    assert (painted[~hole] == ramp[~hole]).all()
    smooth = np.repeat(np.linspace(40, 200, 64)[None, :, None], 64, 0).repeat(3, 2)
    assert np.abs(painted.astype(float) - smooth).max() < 40
