"""Decisions as a person enters them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.database import open_catalog
from twig_assets.compliance import ReviewError, decide, waiting


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        yield Filled(session)
    catalog.close()


def name(filled: Filled, audit: object, sha256: str) -> str:
    audit.image.sha256 = sha256.ljust(64, "0")  # type: ignore[attr-defined]
    filled.session.flush()
    return sha256


def test_what_did_not_pass_waits_and_a_waiver_lets_it_through(filled: Filled) -> None:
    audit = filled.judged("fail")
    image = name(filled, audit, "abcdef1")
    [candidate] = waiting(filled.session, "demo", filled.rules)
    assert (candidate.verdict, candidate.prompt, candidate.decision) == ("fail", "thing 0", None)
    [made] = decide(filled.session, "demo", filled.rules, image, "waive", " Ada ", "licensed")
    assert (made.audit_id, made.who) == (audit.id, "Ada")
    assert filled.state().releasable
    [candidate] = waiting(filled.session, "demo", filled.rules)
    assert candidate.decision is made
    decide(filled.session, "demo", filled.rules, image, "reject", "Bob", "the licence ended")
    assert not filled.state().releasable


def test_an_image_that_passes_can_be_held_back(filled: Filled) -> None:
    image = name(filled, filled.judged("pass"), "abcdef1")
    assert waiting(filled.session, "demo", filled.rules) == []
    assert filled.state().releasable
    [made] = decide(filled.session, "demo", filled.rules, image, "reject", "Ada", "in bad taste")
    assert not filled.state().releasable
    [rejected] = waiting(filled.session, "demo", filled.rules)
    assert (rejected.verdict, rejected.state, rejected.decision) == ("pass", "rejected", made)


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
    name(filled, filled.judged("fail"), "abcdef1")
    name(filled, filled.judged("fail", 1), "abcdef2")
    filled.image(2).sha256 = "123456".ljust(64, "0")
    filled.session.flush()
    with pytest.raises(ReviewError, match=told):
        decide(filled.session, "demo", filled.rules, image, "waive", who, "licensed")
