"""Decisions that outlive the audit they were made about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, AuditMatch, Image, PolicyRow, Reference, Review
from twig_assets.compliance.decisions import Decided, behind, decided, people, reviews_of


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        yield Filled(session)
    catalog.close()


def work(filled: Filled, name: str) -> Reference:
    row = Reference(campaign="demo", sha256=digest(name), title=name, rights_holder="", licence="", file=name)
    filled.session.add(row)
    filled.session.flush()
    return row


def judged(filled: Filled, image: Image, matches: dict[Reference, float]) -> Audit:
    """A failing audit whose first match is the nearest; SSIM by work."""
    policy = filled._get_or_add(PolicyRow, filled.rules.policy_sha256, body={})
    audit = Audit(
        image_id=image.id,
        policy_id=policy.id,
        corpus_version_id=filled.rules.corpus_id,
        verdict="fail",
        reasons=[],
        nearest_reference_id=next(iter(matches)).id,
        scores={},
        thresholds={"ssim_threshold": 0.5},
        versions={},
        run_id="run",
    )
    filled.session.add(audit)
    filled.session.flush()
    for rank, (reference, ssim) in enumerate(matches.items(), 1):
        scores = {"ssim": ssim, "masked_ssim": None, "fired": []}
        filled.session.add(
            AuditMatch(audit_id=audit.id, reference_id=reference.id, rank=rank, scores=scores, transform="identity")
        )
    filled.session.flush()
    return audit


def decisions(filled: Filled, audit: Audit) -> str | None:
    return comes_to(filled, audit).decision


def comes_to(filled: Filled, audit: Audit, approvals: int = 1) -> Decided:
    reviews = reviews_of(filled.session, Image.id == audit.image_id).get(audit.image_id, [])
    return decided(reviews, audit, approvals)


def waive(filled: Filled, audit: Audit, who: str) -> Review:
    row = Review(audit_id=audit.id, decision="waive", who=who, why="licensed")
    filled.session.add(row)
    filled.session.flush()
    return row


def grown(filled: Filled, name: str) -> None:
    filled.rules = replace(filled.rules, corpus_id=filled.corpus(name))


def test_a_waiver_holds_when_the_corpus_grows_by_works_that_are_not_near(filled: Filled) -> None:
    image, near, far = filled.image(), work(filled, "near"), work(filled, "far")
    first = judged(filled, image, {near: 0.9})
    filled.review(first, "waive")
    grown(filled, "grown")
    second = judged(filled, image, {near: 0.9, far: 0.2})
    assert behind(second) == {near.id}
    assert decisions(filled, second) == "waive"
    assert decisions(filled, first) == "waive"


def test_a_waiver_ends_when_a_further_work_comes_near(filled: Filled) -> None:
    image, near, other = filled.image(), work(filled, "near"), work(filled, "other")
    filled.review(judged(filled, image, {near: 0.9}), "waive")
    grown(filled, "grown")
    assert decisions(filled, judged(filled, image, {near: 0.9, other: 0.6})) is None


def test_a_waiver_ends_with_the_image_and_with_the_policy(filled: Filled) -> None:
    near = work(filled, "near")
    filled.review(judged(filled, filled.image(), {near: 0.9}), "waive")
    assert decisions(filled, judged(filled, filled.image(attempt=1), {near: 0.9})) is None
    image = filled.image(attempt=2)
    filled.review(judged(filled, image, {near: 0.9}), "waive")
    filled.rules = replace(filled.rules, policy_sha256=digest("stricter"))
    assert decisions(filled, judged(filled, image, {near: 0.9})) is None


def test_the_same_picture_drawn_again_keeps_its_decision_and_the_newest_counts(filled: Filled) -> None:
    image, near = filled.image(), work(filled, "near")
    audit = judged(filled, image, {near: 0.9})
    filled.review(audit, "waive")
    again = filled.image(attempt=1, sha256=image.sha256)
    second = judged(filled, again, {near: 0.9})
    assert decisions(filled, second) == "waive"
    filled.review(second, "reject")
    assert decisions(filled, audit) == decisions(filled, second) == "reject"


def test_a_rejection_stands_whatever_becomes_of_policy_corpus_and_works(filled: Filled) -> None:
    image, near, other = filled.image(), work(filled, "near"), work(filled, "other")
    first = judged(filled, image, {near: 0.9})
    filled.review(first, "reject")
    filled.rules = replace(filled.rules, policy_sha256=digest("looser"))
    assert decisions(filled, judged(filled, image, {near: 0.9})) == "reject"
    grown(filled, "grown")
    assert decisions(filled, judged(filled, image, {other: 0.95, near: 0.9})) == "reject"
    reviews = reviews_of(filled.session)[image.id]
    assert decided(reviews, None, 1).decision == "reject"


def test_a_person_can_lift_a_rejection_and_take_a_waiver_back(filled: Filled) -> None:
    audit = judged(filled, filled.image(), {work(filled, "near"): 0.9})
    for made, left in [("reject", "reject"), ("lift", None), ("waive", "waive"), ("lift", None), ("reject", "reject")]:
        filled.review(audit, made)
        assert decisions(filled, audit) == left
    filled.review(audit, "waive")
    assert decisions(filled, audit) == "waive"


def test_a_waiver_that_ends_by_itself_lapses_and_says_why(filled: Filled) -> None:
    image, near, other = filled.image(), work(filled, "near"), work(filled, "other")
    given = waive(filled, judged(filled, image, {near: 0.9}), "Ada")
    grown(filled, "grown")
    found = comes_to(filled, judged(filled, image, {near: 0.9, other: 0.6}))
    assert found.decision is None
    assert found.lapsed == ((given, "a further work is behind the verdict since: other"),)
    filled.rules = replace(filled.rules, policy_sha256=digest("stricter"))
    second = judged(filled, image, {near: 0.9})
    [(_, why)] = comes_to(filled, second).lapsed
    assert why == "the policy has changed since"
    filled.review(second, "lift")
    assert comes_to(filled, second).lapsed == ()


def test_two_different_people_have_to_agree_where_the_policy_says_so(filled: Filled) -> None:
    image, near = filled.image(), work(filled, "near")
    audit = judged(filled, image, {near: 0.9})
    first = waive(filled, audit, "Ada")
    waive(filled, audit, " ada ")
    assert comes_to(filled, audit, approvals=2).decision is None
    assert people(comes_to(filled, audit, approvals=2).waiting) == ["Ada"]
    second = waive(filled, audit, "Bob")
    found = comes_to(filled, audit, approvals=2)
    assert (found.decision, found.who, found.by[0], found.by[-1]) == ("waive", "Ada and Bob", first, second)
    filled.rules = replace(filled.rules, policy_sha256=digest("stricter"))
    later = judged(filled, image, {near: 0.9})
    waive(filled, later, "Cem")
    assert comes_to(filled, later, approvals=2).decision is None, "Ada and Bob spoke of another verdict"


def test_one_waiver_of_two_does_not_lift_a_rejection(filled: Filled) -> None:
    audit = judged(filled, filled.image(), {work(filled, "near"): 0.9})
    filled.review(audit, "reject")
    waive(filled, audit, "Ada")
    assert comes_to(filled, audit, approvals=2).decision == "reject"
    waive(filled, audit, "Bob")
    assert comes_to(filled, audit, approvals=2).decision == "waive"


@given(made=st.lists(st.sampled_from(["waive", "reject", "lift"]), max_size=8), approvals=st.integers(1, 3))
def test_only_a_later_word_of_people_ends_a_rejection(made: list[str], approvals: int) -> None:
    audit = Audit(id=1)
    reviews = [Review(id=i, audit_id=1, audit=audit, decision=d, who=f"person {i}", why="") for i, d in enumerate(made)]
    found = decided(reviews, audit, approvals).decision
    last = max((i for i, d in enumerate(made) if d == "reject"), default=None)
    if last is not None and "lift" not in made[last:] and made[last:].count("waive") < approvals:
        assert found == "reject"
    else:
        assert found != "reject"
