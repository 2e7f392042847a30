"""Decisions as a person enters them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.database import open_catalog
from twig_assets.compliance import ReviewError, decide, waiting
from twig_assets.compliance.decision_history import history
from twig_assets.compliance.notices import lapses
from twig_assets.compliance.releases import publish


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        yield Filled(session)
    catalog.close()


def named(sha256: str) -> dict[str, str]:
    """The hash of an image that begins like this."""
    return {"sha256": sha256.ljust(64, "0")}


def test_what_did_not_pass_waits_and_a_waiver_lets_it_through(filled: Filled) -> None:
    image = "abcdef1"
    audit = filled.judged("fail", **named(image))
    [candidate] = waiting(filled.session, "demo", filled.rules)
    assert (candidate.verdict, candidate.prompt, candidate.decided.decision) == ("fail", "thing 0", None)
    [made] = decide(filled.session, "demo", filled.rules, image, "waive", " Ada ", "licensed")
    assert (made.audit_id, made.who) == (audit.id, "Ada")
    assert filled.state().releasable
    [candidate] = waiting(filled.session, "demo", filled.rules)
    assert candidate.decided.review is made
    decide(filled.session, "demo", filled.rules, image, "reject", "Bob", "the licence ended")
    assert not filled.state().releasable


def test_an_image_that_passes_can_be_held_back(filled: Filled) -> None:
    image = "abcdef1"
    filled.judged("pass", **named(image))
    assert waiting(filled.session, "demo", filled.rules) == []
    assert filled.state().releasable
    [made] = decide(filled.session, "demo", filled.rules, image, "reject", "Ada", "in bad taste")
    assert not filled.state().releasable
    [rejected] = waiting(filled.session, "demo", filled.rules)
    assert (rejected.verdict, rejected.state, rejected.decided.review) == ("pass", "rejected", made)


@pytest.mark.parametrize(
    ("image", "who", "told"),
    [
        ("abcdef", "", "who and why"),
        ("abc", "Ada", "not the beginning of a SHA-256"),
        ("ABCDEF12", "Ada", "not the beginning of a SHA-256"),
        ("fedcba", "Ada", "0 images of 'demo' begin with fedcba"),
        ("abcdef", "Ada", "2 images of 'demo' begin with abcdef"),
        ("123456", "Ada", "has no audit under the policy and corpus in force"),
    ],
)
def test_what_cannot_be_decided_is_told(filled: Filled, image: str, who: str, told: str) -> None:
    filled.judged("fail", **named("abcdef1"))
    filled.judged("fail", 1, **named("abcdef2"))
    filled.image(2, **named("123456"))
    with pytest.raises(ReviewError, match=told):
        decide(filled.session, "demo", filled.rules, image, "waive", who, "licensed")


def test_a_rejection_is_not_undone_by_another_policy_and_needs_no_audit_in_force(filled: Filled) -> None:
    image = "abcdef1"
    audit = filled.judged("pass", **named(image))
    filled.rules = replace(filled.rules, policy_sha256=digest("looser"))
    decide(filled.session, "demo", filled.rules, image, "reject", "Ada", "in bad taste")
    [rejected] = waiting(filled.session, "demo", filled.rules)
    assert (rejected.state, rejected.verdict, rejected.why) == ("rejected", None, "rejected by Ada: in bad taste")
    filled.audit(audit.image, "pass")
    assert filled.state().state == "rejected"
    decide(filled.session, "demo", filled.rules, image, "lift", "Ada", "shown to her in print")
    assert filled.state().releasable
    assert [made.standing for made in history(filled.session, "demo", filled.rules)] == [
        "lifted by Ada",
        "took back what was decided before",
    ]
    with pytest.raises(ReviewError, match="nothing to lift"):
        decide(filled.session, "demo", filled.rules, image, "lift", "Ada", "again")


def test_a_published_image_that_is_rejected_is_withdrawn_without_a_verdict_of_the_day(filled: Filled) -> None:
    image = "abcdef1"
    filled.judged("pass", **named(image))
    publish(filled.session, filled.states())
    filled.rules = replace(filled.rules, policy_sha256=digest("newer"))
    assert filled.state().state == "unaudited"
    decide(filled.session, "demo", filled.rules, image, "reject", "Ada", "in bad taste")
    [withdrawn] = publish(filled.session, filled.states()).withdrawn
    assert withdrawn.release.reason == "its image is now: rejected by Ada: in bad taste"  # type: ignore[union-attr]


def test_a_waiver_that_lapsed_is_told_of_where_the_prompt_is_held(filled: Filled) -> None:
    image = "abcdef1"
    audit = filled.judged("fail", **named(image))
    decide(filled.session, "demo", filled.rules, image, "waive", "Ada", "licensed")
    filled.rules = replace(filled.rules, policy_sha256=digest("stricter"), max_attempts=1)
    filled.audit(audit.image, "fail")
    [held] = waiting(filled.session, "demo", filled.rules)
    assert held.why.endswith("; the waiver by Ada lapsed: the policy has changed since")
    [notice] = lapses(filled.session, "demo", filled.rules)
    assert list(notice.items.values()) == ["thing 0: given by Ada; the policy has changed since"]
