"""Which images offend, wait or fail under the present rules."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import BATCH, Filled, digest
from twig_assets.catalog.models import Audit, Release
from twig_assets.compliance import Survey, survey


@pytest.fixture
def filled(session: Session) -> Filled:
    return Filled(session)


def look(filled: Filled) -> Survey:
    return survey(filled.session, "demo", filled.rules)


def release(filled: Filled, audit: Audit) -> Release:
    row = Release(prompt_id=audit.image.prompt_id, image_id=audit.image_id, audit_id=audit.id)
    filled.session.add(row)
    filled.session.flush()
    return row


def test_an_empty_campaign_wants_nothing(filled: Filled) -> None:
    assert look(filled) == Survey()


def test_a_failed_candidate_is_due_until_its_attempts_are_spent(filled: Filled) -> None:
    for attempt in range(3):
        audit = filled.judged("fail", attempt)
        found = look(filled)
        spent = attempt == 2
        assert found.failing == ({} if spent else {BATCH: [audit.image_id]})
        assert found.quarantined == ({BATCH: [audit.image_id]} if spent else {})
        assert found.attempts == ({} if spent else {BATCH: attempt})


def test_an_earlier_attempt_that_failed_is_forgotten_when_a_later_one_passes(filled: Filled) -> None:
    filled.judged("fail", 0)
    audit = filled.judged("pass", 1)
    found = look(filled)
    assert found.failing == {}
    assert found.releasable == {BATCH: [audit.image_id]}
    release(filled, audit)
    assert look(filled) == Survey()


@pytest.mark.parametrize("verdict", ["fail", "review", "inconclusive"])
def test_a_published_image_that_does_not_pass_offends_unless_a_person_waives_that(filled: Filled, verdict: str) -> None:
    audit = filled.judged(verdict, 2)
    row = release(filled, audit)
    assert look(filled).offending == [(row.id, BATCH, verdict)]
    filled.review(audit, "waive")
    found = look(filled)
    assert (found.offending, found.failing, found.quarantined) == ([], {}, {})
    filled.review(audit, "reject")
    assert look(filled).offending == [(row.id, BATCH, "rejected by a person")]


def test_an_image_that_a_person_rejects_offends_although_it_passes(filled: Filled) -> None:
    audit = filled.judged("pass")
    row = release(filled, audit)
    filled.review(audit, "reject")
    found = look(filled)
    assert found.offending == [(row.id, BATCH, "rejected by a person")]
    assert found.releasable == {}


def test_what_was_withdrawn_does_not_offend_again(filled: Filled) -> None:
    row = release(filled, filled.judged("fail"))
    row.withdrawn_at = row.released_at
    filled.session.flush()
    assert look(filled).offending == []


@pytest.mark.parametrize("change", ["policy", "corpus"])
def test_another_policy_or_corpus_leaves_images_without_a_verdict(filled: Filled, change: str) -> None:
    audit = filled.judged("pass")
    release(filled, audit)
    if change == "policy":
        filled.rules = replace(filled.rules, policy_sha256=digest("stricter"))
    else:
        filled.rules = replace(filled.rules, corpus_id=filled.corpus("grown"))
    found = look(filled)
    assert found.unjudged == {BATCH: [audit.image_id]}
    assert (found.offending, found.failing) == ([], {})


def test_what_another_model_drew_is_no_candidate_but_must_comply_while_it_is_published(filled: Filled) -> None:
    audit = filled.judged("fail")
    filled.rules = replace(filled.rules, model_sha256="")
    assert look(filled) == Survey()
    row = release(filled, audit)
    assert look(filled).offending == [(row.id, BATCH, "fail")]


def test_images_of_other_settings_are_no_candidates(filled: Filled) -> None:
    filled.judged("fail")
    filled.rules = replace(filled.rules, regenerated=tuple(digest(f"other{n}") for n in range(10)))
    assert look(filled) == Survey()


def test_another_campaign_sees_none_of_it(filled: Filled) -> None:
    release(filled, filled.judged("fail"))
    assert survey(filled.session, "other", filled.rules) == Survey()
