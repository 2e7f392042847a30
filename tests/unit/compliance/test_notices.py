"""What people are told: everything once."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import BATCH, Filled
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Notification, Release, utc_now
from twig_assets.compliance import notices


def release(filled: Filled, prompt: int, reason: str | None) -> Release:
    audit = filled.audit(filled.image(prompt=prompt), "pass")
    row = Release(prompt_id=filled.prompts[prompt].id, image_id=audit.image_id, audit_id=audit.id)
    if reason:
        row.withdrawn_at, row.reason = utc_now(), reason
    filled.session.add(row)
    filled.session.flush()
    return row


def test_withdrawn_images_are_told_of_and_replaced_ones_are_not(session: Session) -> None:
    filled = Filled(session, prompts=3)
    row = release(filled, 0, "its image is now: fail")
    release(filled, 1, notices.REPLACED)
    release(filled, 2, None)
    [notice] = notices.withdrawals(session, "demo")
    assert (notice.event, notice.subject) == ("withdrawn", BATCH)
    assert notice.items == {f"release {row.id}": "thing 0: its image is now: fail"}
    assert notices.withdrawals(session, "another campaign") == []


def test_spent_attempts_are_told_of_by_batch(session: Session) -> None:
    filled = Filled(session, max_attempts=1)
    filled.judged("fail")
    [notice] = notices.held_prompts(session, "demo", filled.rules)
    assert (notice.event, notice.subject, list(notice.items.values())) == ("quarantined", BATCH, ["thing 0"])


def test_people_are_told_what_waits_for_them(session: Session) -> None:
    filled = Filled(session, prompts=3, max_attempts=1)
    filled.audit(filled.image(prompt=0), "pass")
    filled.audit(filled.image(prompt=2), "inconclusive")
    [notice] = notices.held_prompts(session, "demo", filled.rules)
    assert (notice.event, notice.subject, list(notice.items.values())) == ("waiting", BATCH, ["thing 2"])


def test_what_was_noted_is_not_noted_again_and_what_is_new_comes_alone(session: Session) -> None:
    first = notices.Notice("withdrawn", BATCH, {"release 1": "one"})
    both = notices.Notice("withdrawn", BATCH, {"release 1": "one", "release 2": "two"})
    assert notices.note(session, "demo", [first]) == 1
    assert notices.note(session, "demo", [first]) == 0
    assert notices.note(session, "demo", [both]) == 1
    assert notices.note(session, "demo", [notices.Notice("died", BATCH, {"release 1": "x"})]) == 1
    assert [row.items for row in notices.unsent(session, "demo", 9)] == [
        {"release 1": "one"},
        {"release 2": "two"},
        {"release 1": "x"},
    ]
    assert notices.unsent(session, "another campaign", 9) == []


def test_two_daemons_cannot_note_the_same_event_twice(catalog: Catalog) -> None:
    rows = [{"campaign": "demo", "event": "died", "subject": "x", "items": {}, "items_sha256": "0" * 64}] * 2
    with pytest.raises(IntegrityError), catalog.session() as session:
        session.add_all([Notification(**row) for row in rows])


def test_a_message_stays_due_until_every_channel_has_carried_it(session: Session) -> None:
    notices.note(session, "demo", [notices.Notice("stuck", BATCH, {"a": "3 images wait"})])
    [row] = notices.unsent(session, "demo", 9)
    notices.record(session, row.id, {"log": None, "webhook": "refused"})
    [row] = notices.unsent(session, "demo", 9)
    assert (set(row.channels), row.trouble) == ({"log"}, "webhook: refused")
    notices.record(session, row.id, {"webhook": None})
    assert notices.unsent(session, "demo", 9) == []
    assert (set(row.channels), row.trouble) == ({"log", "webhook"}, None)


def test_a_message_says_campaign_batch_event_and_every_item(session: Session) -> None:
    notices.note(session, "demo", [notices.Notice("withdrawn", BATCH, {"release 1": "an owl: fail"})])
    [row] = notices.unsent(session, "demo", 9)
    assert notices.title(row) == f"twig-assets, demo: {BATCH}: 1 published images no longer comply and were withdrawn"
    assert "- an owl: fail" in notices.body(row)
