"""The rule that chooses a candidate and gives it its state, over every combination of what it is worked out from."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.compliance.state import CandidateState, Standing, candidate_state, why_not

# (verdict, adherence, decision) -> state of a single image with attempts left, with its last attempt spent, and while
# it is published. Written down by hand from what the gate is meant to do; the rule is not used to make it.
TABLE = {
    ("pass", "as_asked", None): ("releasable", "releasable", "released"),
    ("pass", "not_as_asked", None): ("failed", "review", None),
    ("pass", "cannot_tell", None): ("review", "review", "review"),
    ("review", "as_asked", None): ("failed", "review", None),
    ("review", "not_as_asked", None): ("failed", "review", None),
    ("review", "cannot_tell", None): ("failed", "review", None),
    ("inconclusive", "as_asked", None): ("review", "review", "review"),
    ("inconclusive", "not_as_asked", None): ("review", "review", "review"),
    ("inconclusive", "cannot_tell", None): ("review", "review", "review"),
    ("fail", "as_asked", None): ("failed", "quarantined", None),
    ("fail", "not_as_asked", None): ("failed", "quarantined", None),
    ("fail", "cannot_tell", None): ("failed", "quarantined", None),
}
VERDICTS = ("pass", "review", "fail", "inconclusive")
ADHERENCE = ("as_asked", "not_as_asked", "cannot_tell")
DECISIONS = (None, "waive", "reject")


def state_of(standing: Standing, attempts: int, cannot_tell: bool = False) -> CandidateState:
    return candidate_state([standing], cannot_tell=cannot_tell, max_attempts=attempts, lost_attempts=3)[1]


def expected(verdict: str, adherence: str, decision: str | None, attempt: int, released: bool, attempts: int) -> str:
    if decision == "waive":
        return "released" if released else "releasable"
    if decision == "reject" and verdict != "fail":
        return "rejected"
    left, spent, published = TABLE[verdict, adherence, None]
    if released and published:
        return published
    return left if attempt in range(attempts - 1) else spent


@pytest.mark.parametrize(("verdict", "adherence"), list(product(VERDICTS, ADHERENCE)))
def test_every_case_has_the_state_that_was_written_down_for_it(verdict: str, adherence: str) -> None:
    for decision, attempt, released, attempts in product(DECISIONS, (0, 1, 2, 9), (False, True), (1, 2, 3, 10)):
        state = state_of(Standing(1, attempt, verdict, adherence, decision, 0.1, released), attempts)
        assert state == expected(verdict, adherence, decision, attempt, released, attempts), (decision, attempt)


@pytest.mark.parametrize(("verdict", "adherence"), list(product(VERDICTS, ADHERENCE)))
def test_an_incomplete_comparison_holds_back_what_is_not_published_and_changes_nothing_else(
    verdict: str, adherence: str
) -> None:
    for decision, attempt, released in product(DECISIONS, (0, 1, 9), (False, True)):
        images = [Standing(1, attempt, verdict, adherence, decision, 0.1, released)]
        whole = candidate_state(images, cannot_tell=False, max_attempts=3)
        partly = candidate_state(images, cannot_tell=False, max_attempts=3, complete=False)
        assert partly[0] == whole[0]
        assert partly[1] == ("incomplete" if whole[1] == "releasable" else whole[1])
        assert not (partly[1].may_be_published and not released)


@pytest.mark.parametrize(("verdict", "adherence"), [(None, "as_asked"), ("pass", None), ("fail", None), (None, None)])
@pytest.mark.parametrize("released", [False, True])
def test_without_both_verdicts_an_image_is_unaudited(
    verdict: str | None, adherence: str | None, released: bool
) -> None:
    assert state_of(Standing(1, 0, verdict, adherence, None, None, released), 3) == "unaudited"


def test_without_an_image_there_is_no_candidate() -> None:
    assert candidate_state([], cannot_tell=False, max_attempts=3, lost_attempts=3) == (None, CandidateState.MISSING)


def test_what_cannot_be_told_is_released_only_where_the_policy_says_so() -> None:
    image = Standing(1, 0, "pass", "cannot_tell")
    assert state_of(image, 3) == "review"
    assert state_of(image, 3, cannot_tell=True) == "releasable"
    assert state_of(Standing(1, 0, "pass", "not_as_asked"), 1, cannot_tell=True) == "review"


def test_every_state_occurs() -> None:
    written = {state for row in TABLE.values() for state in row if state}
    written |= {"rejected", "unaudited", "missing", "incomplete"}
    assert written == {state.value for state in CandidateState}


IMAGES = st.builds(
    Standing,
    image_id=st.just(0),
    attempt=st.integers(0, 4),
    verdict=st.sampled_from(VERDICTS),
    adherence=st.sampled_from(ADHERENCE),
    decision=st.sampled_from(DECISIONS),
    similarity=st.floats(-1, 1),
)


@given(st.lists(IMAGES, min_size=1, max_size=5), IMAGES, st.booleans())
def test_another_image_never_takes_back_what_may_be_published(
    images: list[Standing], another: Standing, cannot_tell: bool
) -> None:
    _, before = candidate_state(images, cannot_tell=cannot_tell, max_attempts=3, lost_attempts=3)
    _, after = candidate_state([*images, another], cannot_tell=cannot_tell, max_attempts=3, lost_attempts=3)
    assert after.may_be_published >= before.may_be_published


@given(st.lists(IMAGES, min_size=1, max_size=5), st.booleans())
def test_a_prompt_is_published_exactly_when_one_of_its_images_may_be(images: list[Standing], cannot_tell: bool) -> None:
    best, state = candidate_state(images, cannot_tell=cannot_tell, max_attempts=3, lost_attempts=3)
    assert best is not None
    assert state.may_be_published == any(image.acceptable(cannot_tell) for image in images)
    assert state.may_be_published == best.acceptable(cannot_tell)


def test_of_images_that_may_be_published_the_published_one_stays_and_else_the_least_similar_is_taken() -> None:
    near, far = Standing(1, 0, "pass", "as_asked", None, 0.4), Standing(2, 1, "pass", "as_asked", None, 0.1)
    waived = Standing(3, 2, "fail", "as_asked", "waive", 0.05)
    standing = Standing(1, 0, "pass", "as_asked", None, 0.4, released=True)
    assert candidate_state([near, far, waived], cannot_tell=False, max_attempts=3, lost_attempts=3)[0] == far
    assert candidate_state([standing, far], cannot_tell=False, max_attempts=3, lost_attempts=3) == (
        standing,
        CandidateState.RELEASED,
    )


def test_a_subject_that_was_lost_as_often_as_the_rules_allow_is_not_drawn_again() -> None:
    lost = [Standing(i, i, "pass", "not_as_asked", None, 0.1) for i in range(3)]
    copy = Standing(9, 1, "fail", "not_as_asked", None, 0.9)

    def state(*images: Standing) -> CandidateState:
        return candidate_state(images, cannot_tell=False, max_attempts=9, lost_attempts=2)[1]

    assert state(lost[0]) == state(lost[0], copy) == CandidateState.FAILED
    assert state(*lost[:2]) == state(*lost) == CandidateState.REVIEW


def test_a_person_sees_the_image_that_is_easiest_to_let_through() -> None:
    copy = Standing(1, 0, "fail", "as_asked", None, 0.9)
    wrong = Standing(2, 1, "pass", "not_as_asked", None, 0.2)
    unknown = Standing(3, 2, "pass", "cannot_tell", None, 0.3)
    assert candidate_state([copy, wrong], cannot_tell=False, max_attempts=2, lost_attempts=3) == (
        wrong,
        CandidateState.REVIEW,
    )
    assert candidate_state([copy, wrong, unknown], cannot_tell=False, max_attempts=3, lost_attempts=3)[0] == unknown
    assert (
        candidate_state([copy, wrong], cannot_tell=False, max_attempts=3, lost_attempts=3)[1] == CandidateState.FAILED
    )


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (Standing(1, 0, "fail", "as_asked"), "fail"),
        (Standing(1, 0, "pass", "as_asked", "reject"), "rejected by a person"),
        (Standing(1, 0, "pass", "not_as_asked"), "does not show its prompt"),
        (Standing(1, 0, None, None), "not audited"),
        (Standing(1, 0, "pass", None), "not judged"),
    ],
)
def test_why_an_image_is_not_published(standing: Standing, why: str) -> None:
    assert why_not(standing) == why
