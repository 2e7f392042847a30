"""Why a prompt is held, in one sentence, and what to do next."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.models import Audit, Reference, Release
from twig_assets.compliance.held import Held, held
from twig_assets.compliance.releases import publish


@pytest.fixture
def filled(session: Session) -> Filled:
    return Filled(session)


def only(filled: Filled) -> Held:
    [one] = held(filled.session, "demo", filled.states(), filled.rules).values()
    return one


def copy_of(filled: Filled, title: str, stage: str) -> None:
    """Let the model draw a protected work."""
    work = Reference(campaign="demo", sha256="9" * 64, title=title, rights_holder="A", licence="none", file="a.png")
    like = filled.audit(filled.image(2), "pass", "cannot_tell")
    common = {name: getattr(like, name) for name in ("policy_id", "corpus_version_id", "scores", "thresholds")}
    copy = filled.image(stage=stage)
    filled.adherence(copy, "cannot_tell")
    filled.session.add(
        Audit(
            **common,
            image_id=copy.id,
            nearest_reference=work,
            verdict="fail",
            reasons=["said"],
            versions={},
            run_id="run",
        )
    )
    filled.session.flush()


def test_what_is_not_there_yet_goes_on_with_the_next_run(filled: Filled) -> None:
    assert only(filled).why == "nothing has been drawn yet"
    filled.image()
    assert only(filled) == Held("not audited yet", "`twig run --campaign demo` goes on with it")


def test_an_image_that_waits_for_its_release_is_said_to_comply_and_a_published_one_is_not_held(filled: Filled) -> None:
    audit = filled.judged("pass")
    assert only(filled).why == "it complies, and is not released yet"
    filled.session.add(Release(prompt_id=filled.prompts[0].id, image_id=audit.image_id, audit_id=audit.id))
    filled.session.flush()
    assert held(filled.session, "demo", filled.states(), filled.rules) == {}


def test_an_image_that_was_not_compared_with_every_work_says_which_and_what_to_do(filled: Filled) -> None:
    filled.judged("pass")
    filled.rules = replace(filled.rules, unread=("a.png", "b.png", "c.png", "d.png"))
    found = only(filled)
    assert found.why == (
        "it complies, as far as it was compared; 4 works were not, or not wholly, compared: a.png, b.png, c.png and 1 "
        "more"
    )
    assert "`twig review --unread FILE --campaign demo --who WHO --why WHY`" in found.next_step
    assert publish(filled.session, filled.states()).released == []
    filled.rules = replace(filled.rules, unread=())
    assert len(publish(filled.session, filled.states()).released) == 1


def test_a_prompt_that_is_drawn_again_says_what_was_wrong(filled: Filled) -> None:
    filled.judged("fail")
    assert only(filled).why == "to be drawn again: too similar to a protected work (said)"


def test_spent_attempts_are_counted(filled: Filled) -> None:
    for attempt in range(3):
        filled.judged("fail", attempt)
    assert only(filled).why == "all 3 attempts are spent: too similar to a protected work (said)"
    assert "another prompt" in only(filled).next_step


def test_a_subject_that_the_judge_does_not_know_waits_with_the_command_that_decides(filled: Filled) -> None:
    image = filled.image()
    filled.audit(image, "pass", "cannot_tell")
    assert only(filled).why.startswith("nobody here can tell whether it shows its prompt (")
    assert f"`twig review {image.sha256[:12]} --campaign demo --who WHO --why WHY`" in only(filled).next_step


@pytest.mark.parametrize("stage", ["generated", "regenerated"])
def test_where_the_model_drew_the_work_itself_that_is_the_reason(filled: Filled, stage: str) -> None:
    copy_of(filled, "Night", stage)
    why = only(filled).why
    assert why.startswith("the model drew the protected work itself (Night); nothing else that it drew")


def test_a_copy_does_not_speak_of_an_image_that_is_known_not_to_be_as_asked(filled: Filled) -> None:
    copy_of(filled, "Night", "generated")
    filled.rules = replace(filled.rules, threshold=0.5)
    [image] = [state.candidate for state in filled.states()]
    assert image is not None
    filled.adherence(image, "not_as_asked")
    assert only(filled).why.startswith("does not show its prompt (")


def test_a_rejection_names_the_person_and_how_to_take_it_back(filled: Filled) -> None:
    filled.review(filled.judged("pass"), "reject")
    assert only(filled).why == "rejected by a person: a reason"
    assert "takes it back" in only(filled).next_step
