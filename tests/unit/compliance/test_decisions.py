"""Decisions that outlive the audit they were made about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, AuditMatch, Image, PolicyRow, Reference
from twig_assets.compliance.decisions import behind, standing_decisions


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
    found = standing_decisions(filled.session, Audit.id == audit.id).get(audit.id)
    return found.decision if found else None


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
    again = filled.image(attempt=1)
    again.sha256 = image.sha256
    second = judged(filled, again, {near: 0.9})
    assert decisions(filled, second) == "waive"
    filled.review(second, "reject")
    assert decisions(filled, audit) == decisions(filled, second) == "reject"
