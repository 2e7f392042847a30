"""Why a prompt is drawn again, and what counts as evidence that the model has memorised its picture."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import BATCH, Filled
from twig_assets.compliance.candidates import prompt_states
from twig_assets.compliance.reruns import Rerun, reruns


@pytest.fixture
def filled(session: Session) -> Filled:
    return Filled(session)


def answer(filled: Filled) -> Rerun | None:
    states = prompt_states(filled.session, BATCH, filled.rules)
    return reruns(filled.session, states, filled.rules).get(filled.prompts[0].id)


@pytest.mark.parametrize(
    ("verdict", "adherence", "rerun"),
    [
        ("fail", "as_asked", Rerun("copy", evidence=True)),
        ("fail", "not_as_asked", Rerun("copy", evidence=True)),
        ("review", "as_asked", Rerun("near_miss", evidence=False)),
        ("review", "not_as_asked", Rerun("near_miss", evidence=False)),
        ("pass", "not_as_asked", Rerun("lost_subject", evidence=False)),
    ],
)
def test_the_reason_is_what_was_wrong_with_the_newest_image(
    filled: Filled, verdict: str, adherence: str, rerun: Rerun
) -> None:
    filled.judged(verdict, adherence=adherence)
    assert answer(filled) == rerun


def test_a_prompt_does_not_become_memorised_by_counting(filled: Filled) -> None:
    filled.rules = replace(filled.rules, lost_attempts=3)
    for attempt in range(2):
        filled.judged("pass", attempt, adherence="not_as_asked")
        assert answer(filled) == Rerun("lost_subject", evidence=False)


def test_evidence_of_a_copy_stays_whatever_is_wrong_next(filled: Filled) -> None:
    filled.judged("fail", 0)
    filled.judged("pass", 1, adherence="not_as_asked")
    assert answer(filled) == Rerun("lost_subject", evidence=True)


def test_a_first_image_that_is_a_copy_is_evidence_too(filled: Filled) -> None:
    filled.audit(filled.image(stage="generated"), "fail")
    filled.judged("pass", adherence="not_as_asked")
    assert answer(filled) == Rerun("lost_subject", evidence=True)


def test_what_is_not_drawn_again_has_no_reason(filled: Filled) -> None:
    assert answer(filled) is None
    filled.judged("pass")
    assert answer(filled) is None
