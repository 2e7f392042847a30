"""Verdicts under rules about allowed elements: applied, ended, taken back, and never more than asked for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from tests.unit.catalog.filled import let_change
from tests.unit.compliance.audited_campaign import Setting, made_setting, noise
from twig_assets.campaign.allowed_elements import allow, elements_in_force, lift_element
from twig_assets.campaign.rules_in_force import Rules, rules_under
from twig_assets.catalog.models import Adherence, AllowedElement, Audit, Image, Release
from twig_assets.compliance import enforce
from twig_assets.compliance.allowances import lacking
from twig_assets.compliance.candidates import audits_in_force
from twig_assets.compliance.notices import ended_elements
from twig_assets.similarity import Policy


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with made_setting(tmp_path) as made:
        yield made


def in_force(setting: Setting) -> dict[int, Audit]:
    with setting.catalog.session() as session:
        rules = rules_under(session, setting.campaign, "")
        return audits_in_force(session, [1, 2, 3], rules)


def allow_a(setting: Setting, **options: object) -> int:
    with setting.catalog.session() as session:
        return allow(session, "demo", "a.png", "licensed", "Ada", "ours", **options).id  # type: ignore[arg-type]


def test_an_image_that_shows_what_is_allowed_passes_after_the_next_audit(setting: Setting) -> None:
    setting.audit()
    assert in_force(setting)[1].verdict == "fail"
    number = allow_a(setting)
    assert in_force(setting)[1].verdict == "fail", "until it was audited without it"
    assert setting.audit().allowed == 1
    audit = in_force(setting)[1]
    assert (audit.verdict, audit.allowed) == ("pass", str(number))
    assert audit.reasons[0] == "allowed: the whole of 'a' (licensed, by Ada: ours)"
    assert setting.audit().allowed == 0, "a second audit finds nothing to do"
    assert [row.verdict for row in setting.audits().values()].count("pass") == 3, "those that passed have one audit"


def test_new_images_get_both_verdicts_at_once(setting: Setting) -> None:
    allow_a(setting)
    audited = setting.audit()
    assert (len(audited.results), audited.allowed) == (3, 1)
    assert in_force(setting)[1].verdict == "pass"


@pytest.mark.parametrize("end", ["lift", "day"])
def test_when_an_element_ends_the_verdict_beside_all_works_decides_again(setting: Setting, end: str) -> None:
    number = allow_a(setting, until="2099-01-01")
    setting.audit()
    if end == "lift":
        with setting.catalog.session() as session:
            lift_element(session, "demo", number, "Bob", "not ours")
    else:
        with setting.catalog.session() as session:
            session.connection().exec_driver_sql("DROP TRIGGER allowed_element_refuse_update")
            session.execute(update(AllowedElement).values(until="2020-01-01"))
    assert in_force(setting)[1].verdict == "fail"
    assert setting.audit().allowed == 0


def test_a_copy_of_another_work_on_the_same_image_is_not_hidden(setting: Setting) -> None:
    both = np.hstack([noise(0, 48), noise(1, 48)])
    with setting.catalog.session() as session:
        let_change(session, "image")
        session.get_one(Image, 3).sha256 = setting.store.put_image(both)
    setting.audit()
    assert in_force(setting)[3].verdict == "fail"
    number = allow_a(setting)
    setting.audit()
    audit = in_force(setting)[3]
    assert (audit.verdict, audit.allowed) == ("fail", str(number))
    assert "'b'" in audit.reasons[1]


def test_another_policy_judges_both_by_stored_scores(setting: Setting) -> None:
    allow_a(setting)
    setting.audit()
    setting.set_policy(Policy(ssim_threshold=0.7))
    assert in_force(setting) == {}
    audited = setting.audit()
    assert (audited.rejudged, audited.results) == (3, [])
    audit = in_force(setting)[1]
    assert (audit.verdict, audit.reasons[0][:8]) == ("pass", "allowed:")


def test_a_grown_corpus_is_compared_with_too_and_the_element_still_counts(setting: Setting) -> None:
    allow_a(setting)
    setting.audit()
    setting.add_work("c", noise(6))
    setting.audit()
    verdicts = {number: audit.verdict for number, audit in in_force(setting).items()}
    assert verdicts == {1: "pass", 2: "pass", 3: "fail"}


def test_a_further_element_leaves_the_earlier_verdict_in_force_until_it_is_judged(setting: Setting) -> None:
    first = allow_a(setting)
    setting.audit()
    second = allow_a(setting, parts=[(0, 0, 1, 0.5)])
    assert in_force(setting)[1].allowed == str(first)
    with setting.catalog.session() as session:
        rules: Rules = rules_under(session, setting.campaign, "")
        due = lacking(session, [], rules, elements_in_force(session, "demo"))
    assert due == {1: (first, second)}
    setting.audit()
    assert in_force(setting)[1].allowed == f"{first},{second}"


def test_where_no_work_is_left_the_verdict_stands_and_nothing_is_due_again(setting: Setting) -> None:
    setting.audit()
    allow_a(setting)
    with setting.catalog.session() as session:
        allow(session, "demo", "b.png", "licensed", "Ada", "ours")
    assert setting.audit().allowed == 1
    audit = in_force(setting)[1]
    assert (audit.verdict, audit.reasons[2][:12]) == ("fail", "without that")
    assert setting.audit().allowed == 0


def test_rules_name_only_the_sets_of_which_all_hold(setting: Setting) -> None:
    first = allow_a(setting)
    setting.audit()
    second = allow_a(setting, parts=[(0, 0, 1, 0.5)])
    setting.audit()
    with setting.catalog.session() as session:
        assert rules_under(session, setting.campaign, "").allowed == (f"{first}", f"{first},{second}")
        lift_element(session, "demo", second, "Bob", "no")
        rules = rules_under(session, setting.campaign, "")
        assert (rules.allowed, rules.elements) == ((f"{first}",), (first,))
        assert session.scalar(select(Audit.allowed).where(Audit.id == 1)) is None
    assert in_force(setting)[1].allowed == f"{first}"


def test_what_was_published_without_an_element_is_withdrawn_when_that_ends_and_people_are_told(
    setting: Setting,
) -> None:
    number = allow_a(setting, until="2099-01-01")
    setting.audit()
    with setting.catalog.session() as session:
        rules = rules_under(session, setting.campaign, "")
        image = session.get_one(Image, 1)
        verdict = {"verdict": "as_asked", "reason": "", "scores": {}, "run_id": "run", "threshold": rules.threshold}
        session.add(Adherence(image_id=1, judge_sha256=rules.judge_sha256, **verdict))
        audit = audits_in_force(session, [1], rules)[1]
        session.add(Release(prompt_id=image.prompt_id, image_id=1, audit_id=audit.id))
    with setting.catalog.session() as session:
        assert enforce(session, setting.campaign, by="test").withdrawn == []
        assert ended_elements(session, "demo") == []
        session.connection().exec_driver_sql("DROP TRIGGER allowed_element_refuse_update")
        session.execute(update(AllowedElement).values(until="2020-01-01"))
        [withdrawn] = enforce(session, setting.campaign, by="test").withdrawn
        assert withdrawn.why.startswith("fail, since this is allowed no longer: the whole of 'a' (licensed until 2020")
        [notice] = ended_elements(session, "demo")
        assert list(notice.items) == [f"element {number}"]
