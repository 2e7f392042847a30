"""The rule that gives a candidate its state, over every combination of what it is worked out from."""

from itertools import product

import pytest

from twig_assets.compliance.state import CandidateState, candidate_state

# (verdict, decision) -> state of an image with attempts left, with its last attempt spent, and while it is published.
# Written down by hand from what the gate is meant to do; the rule is not used to make it.
TABLE = {
    ("pass", None): ("releasable", "releasable", "released"),
    ("pass", "waive"): ("releasable", "releasable", "released"),
    ("pass", "reject"): ("rejected", "rejected", "rejected"),
    ("review", None): ("review", "review", "review"),
    ("review", "waive"): ("releasable", "releasable", "released"),
    ("review", "reject"): ("rejected", "rejected", "rejected"),
    ("inconclusive", None): ("review", "review", "review"),
    ("inconclusive", "waive"): ("releasable", "releasable", "released"),
    ("inconclusive", "reject"): ("rejected", "rejected", "rejected"),
    ("fail", None): ("failed", "quarantined", None),
    ("fail", "waive"): ("releasable", "releasable", "released"),
    ("fail", "reject"): ("failed", "quarantined", None),
    (None, None): ("unaudited", "unaudited", "unaudited"),
}
VERDICTS = ("pass", "review", "fail", "inconclusive", None)
DECISIONS = (None, "waive", "reject")


def expected(attempt: int | None, verdict: str | None, decision: str | None, released: bool, attempts: int) -> str:
    if attempt is None:
        return "missing"
    # A decision is one about an audit, so without a verdict there is none.
    left, spent, published = TABLE[verdict, decision if verdict else None]
    if released and published:
        return published
    return left if attempt in range(attempts - 1) else spent


@pytest.mark.parametrize(("verdict", "decision"), list(product(VERDICTS, DECISIONS)))
def test_every_case_has_the_state_that_was_written_down_for_it(verdict: str | None, decision: str | None) -> None:
    for attempt, released, attempts in product((None, 0, 1, 2, 9), (False, True), (1, 2, 3, 10)):
        state = candidate_state(attempt, verdict, decision, released=released, max_attempts=attempts)
        assert state == expected(attempt, verdict, decision, released, attempts), (attempt, released, attempts)


def test_every_state_occurs_in_the_table() -> None:
    written = {state for row in TABLE.values() for state in row if state} | {"missing"}
    assert written == {state.value for state in CandidateState}


def test_only_what_passed_or_was_waived_may_be_published() -> None:
    allowed = {("pass", None), *((verdict, "waive") for verdict in VERDICTS if verdict)}
    for case, released in product(product(VERDICTS, DECISIONS), (False, True)):
        state = candidate_state(0, *case, released=released, max_attempts=3)
        assert state.may_be_published == (case in allowed)
