"""Which attempt each prompt is at."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import BATCH, Filled, digest
from twig_assets.catalog.models import Image, Mask, Release
from twig_assets.compliance.candidates import (
    attempt_seed,
    image_of,
    image_state,
    mask_of,
    missing_images,
    prompt_states,
)


@pytest.fixture
def filled(session: Session) -> Filled:
    return Filled(session)


def test_a_new_prompt_is_at_its_first_attempt_and_not_releasable(filled: Filled) -> None:
    state = filled.state()
    assert (state.attempt, state.candidate, state.audit) == (0, None, None)
    assert not (state.failing)
    assert not (state.quarantined)
    assert not (state.releasable)


def test_a_first_image_alone_is_no_candidate(filled: Filled) -> None:
    filled.image(stage="generated")
    assert filled.state().candidate is None


def test_states_come_in_order_of_position_and_each_prompt_has_its_own(session: Session) -> None:
    filled = Filled(session, prompts=3)
    filled.audit(filled.image(prompt=2), "fail")
    filled.audit(filled.image(prompt=0), "pass")
    assert [s.prompt.position for s in filled.states()] == [0, 1, 2]
    assert [s.attempt for s in filled.states()] == [0, 0, 1]
    assert [s.releasable for s in filled.states()] == [True, False, False]


def test_an_unaudited_candidate_waits_at_its_attempt(filled: Filled) -> None:
    candidate = filled.image()
    state = filled.state()
    assert (state.attempt, state.candidate, state.audit) == (0, candidate, None)
    assert not (state.failing)
    assert not (state.releasable)


@pytest.mark.parametrize(
    ("verdict", "adherence", "again"),
    [
        ("pass", "as_asked", False),
        ("pass", "not_as_asked", True),
        ("pass", "cannot_tell", False),
        ("review", "as_asked", True),
        ("inconclusive", "as_asked", False),
    ],
)
def test_what_another_draw_may_mend_is_drawn_again(filled: Filled, verdict: str, adherence: str, again: bool) -> None:
    filled.judged(verdict, adherence=adherence)
    state = filled.state()
    assert (state.attempt, state.failing, state.quarantined) == (int(again), again, False)
    assert state.releasable == ((verdict, adherence) == ("pass", "as_asked"))


def test_a_later_attempt_that_is_worse_leaves_the_earlier_one_the_candidate(filled: Filled) -> None:
    first = filled.judged("review", attempt=0, ssim=0.55)
    filled.judged("fail", attempt=1, ssim=0.8)
    state = filled.state()
    assert (state.candidate, state.failing, state.attempt) == (first.image, True, 2)
    filled.judged("pass", attempt=2, adherence="not_as_asked", ssim=0.1)
    assert (filled.state().candidate.attempt, filled.state().state) == (2, "review")


def test_a_run_that_only_judges_again_draws_nothing(filled: Filled) -> None:
    """A policy that lets an earlier attempt pass makes that one the candidate, and no image is missing."""
    images = [filled.image(attempt) for attempt in range(2)]
    for image in images:
        filled.audit(image, "fail")
    filled.rules = replace(filled.rules, policy_sha256=digest("looser"))
    filled.audit(images[0], "pass", ssim=0.5)
    filled.audit(images[1], "fail", ssim=0.7)
    [state] = filled.states()
    assert (state.candidate, state.releasable) == (images[0], True)
    assert missing_images(filled.session, [state], "regenerated", filled.rules) == []


def test_all_attempts_avoid_the_same_first_image(filled: Filled) -> None:
    filled.image(stage="generated")
    filled.judged("fail")
    [state] = filled.states()
    assert (state.attempt, state.failing) == (1, True)
    assert missing_images(filled.session, [state], "generated", filled.rules) == []
    assert missing_images(filled.session, [state], "regenerated", filled.rules) == [state]


def test_a_first_image_is_a_candidate_only_where_the_policy_says_so(filled: Filled) -> None:
    first = filled.image(stage="generated")
    filled.audit(first, "pass", ssim=0.1)
    filled.judged("pass", adherence="not_as_asked", ssim=0.1)
    assert filled.state().candidate != first
    filled.rules = replace(filled.rules, first_images=True)
    assert (filled.state().candidate, filled.state().releasable) == (first, True)


def test_a_verdict_by_another_judge_or_threshold_does_not_count(filled: Filled) -> None:
    filled.judged("pass")
    for change in ({"judge_sha256": digest("other")}, {"threshold": 0.2}, {"threshold": None}):
        rules = replace(filled.rules, **change)
        assert prompt_states(filled.session, BATCH, rules)[0].state == "unaudited"


def test_a_failed_candidate_makes_the_next_attempt_due(filled: Filled) -> None:
    filled.judged("fail")
    state = filled.state()
    assert state.failing
    assert state.attempt == 1
    assert missing_images(filled.session, [state], "regenerated", filled.rules) == [state]


def test_the_candidate_is_the_highest_attempt_whatever_came_last(filled: Filled) -> None:
    later = filled.judged("pass", attempt=1)
    filled.judged("fail", attempt=0)
    assert filled.state().audit == later
    assert filled.state().releasable


def test_the_budget_is_spent_after_exactly_max_attempts(filled: Filled) -> None:
    for attempt in range(3):
        assert filled.state().attempt == attempt
        assert not filled.state().quarantined
        filled.judged("fail", attempt)
    state = filled.state()
    assert state.quarantined
    assert not (state.failing)
    assert not (state.releasable)
    assert state.attempt == 2


def test_a_larger_budget_ends_the_quarantine_and_a_smaller_one_keeps_what_passed(filled: Filled) -> None:
    for attempt in range(3):
        filled.judged("fail", attempt)
    filled.rules = replace(filled.rules, max_attempts=4)
    assert (filled.state().attempt, filled.state().failing) == (3, True)
    filled.judged("pass", attempt=3)
    filled.rules = replace(filled.rules, max_attempts=1)
    assert filled.state().releasable


@pytest.mark.parametrize(("before", "now"), [("fail", "pass"), ("pass", "fail")])
@pytest.mark.parametrize("changed", ["policy", "corpus"])
def test_the_verdict_under_the_present_policy_and_corpus_counts(
    filled: Filled, changed: str, before: str, now: str
) -> None:
    candidate, old_rules = filled.image(), filled.rules
    filled.audit(candidate, before)
    new = {"policy_sha256": digest("new")} if changed == "policy" else {"corpus_id": filled.corpus("new")}
    filled.rules = replace(filled.rules, **new)
    assert filled.state().audit is None, "a verdict under other rules says nothing"
    filled.audit(candidate, now)
    assert filled.state().failing == (now == "fail")
    filled.rules = old_rules
    assert filled.state().failing == (before == "fail"), "changed back, the first verdict counts again"


def test_without_a_corpus_no_verdict_counts(filled: Filled) -> None:
    filled.judged("pass")
    filled.rules = replace(filled.rules, corpus_id=None)
    assert filled.state().audit is None


def test_a_changed_model_starts_a_new_count_and_the_old_one_is_kept(filled: Filled) -> None:
    old_rules = filled.rules
    for attempt in range(3):
        filled.judged("fail", attempt)
    filled.rules = replace(filled.rules, model_sha256=digest("other"))
    assert (filled.state().attempt, filled.state().candidate) == (0, None)
    filled.judged("pass")
    assert filled.state().releasable
    filled.rules = old_rules
    assert filled.state().quarantined


def test_changed_settings_start_a_new_count_and_the_old_one_is_kept(filled: Filled) -> None:
    old_rules = filled.rules
    filled.judged("fail", 0)
    old = filled.judged("pass", 1)
    filled.rules = replace(filled.rules, regenerated=tuple(digest(f"stronger{i}") for i in range(10)))
    assert (filled.state().attempt, filled.state().candidate) == (0, None)
    filled.judged("review")
    assert filled.state().audit != old
    filled.rules = old_rules
    assert filled.state().audit == old


def test_a_waived_failure_is_released_and_asks_for_no_further_attempt(filled: Filled) -> None:
    filled.review(filled.judged("fail"), "waive")
    state = filled.state()
    assert state.releasable
    assert not state.failing
    assert state.attempt == 0


def test_a_waiver_ends_the_quarantine(filled: Filled) -> None:
    audits = [filled.judged("fail", attempt) for attempt in range(3)]
    filled.review(audits[-1], "waive")
    assert filled.state().releasable
    assert not filled.state().quarantined


def test_a_rejected_pass_is_held_back_and_holds_nothing_up(filled: Filled) -> None:
    filled.review(filled.judged("pass"), "reject")
    state = filled.state()
    assert not (state.releasable)
    assert not (state.failing)
    assert not (state.quarantined)


@pytest.mark.parametrize(("first", "last"), [("waive", "reject"), ("reject", "waive")])
def test_the_last_decision_counts(filled: Filled, first: str, last: str) -> None:
    audit = filled.judged("review")
    filled.review(audit, first)
    filled.review(audit, last)
    assert filled.state().releasable == (last == "waive")


def test_a_waiver_does_not_outlive_the_policy_it_was_given_under(filled: Filled) -> None:
    candidate = filled.image()
    filled.review(filled.audit(candidate, "fail"), "waive")
    filled.rules = replace(filled.rules, policy_sha256=digest("stricter"))
    filled.audit(candidate, "fail")
    assert filled.state().failing


def test_images_are_missing_until_they_are_there_under_the_present_settings(filled: Filled) -> None:
    [state] = filled.states()
    assert missing_images(filled.session, [state], "generated", filled.rules) == [state]
    first = filled.image(stage="generated")
    assert missing_images(filled.session, [state], "generated", filled.rules) == []
    assert missing_images(filled.session, [state], "regenerated", filled.rules) == [state]
    more_steps = replace(filled.rules, generated=digest("more steps"))
    assert missing_images(filled.session, [state], "generated", more_steps) == [state]
    assert image_of(filled.session, state.prompt.id, "generated", 0, filled.rules) == first
    assert image_of(filled.session, state.prompt.id, "generated", 0, more_steps) is None


def test_settings_of_second_images_may_differ_between_attempts(filled: Filled) -> None:
    filled.judged("fail", 0)
    [state] = filled.states()
    filled.rules = replace(filled.rules, regenerated=(filled.rules.regenerated[0], *[digest("other")] * 9))
    assert filled.state() == state, "the next attempt's settings do not touch the first image"
    filled.image(attempt=1)
    assert image_of(filled.session, state.prompt.id, "regenerated", 1, filled.rules) is not None


def test_a_mask_belongs_to_its_segmenter(filled: Filled) -> None:
    image = filled.image(stage="generated")
    filled.session.add(Mask(image_id=image.id, segmenter="embedded:1", outcome="empty", area=0.0))
    filled.session.flush()
    assert mask_of(filled.session, image.id, "embedded:1") is not None
    assert mask_of(filled.session, image.id, "embedded:2") is None


def test_every_attempt_and_stage_has_a_seed_of_its_own_and_the_first_is_the_prompts() -> None:
    assert attempt_seed(7, "generated", 0) == 7
    seeds = [attempt_seed(s, stage, k) for s in (7, 8) for stage in ("generated", "regenerated") for k in range(10)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_derived_seeds_never_change() -> None:
    assert attempt_seed(7, "regenerated", 0) == 123716113


def test_the_state_of_an_image_is_that_of_a_candidate_or_of_what_is_published(filled: Filled) -> None:
    first = filled.image(stage="generated")
    old = filled.judged("pass")
    release = Release(prompt_id=old.image.prompt_id, image_id=old.image_id, audit_id=old.id)
    filled.session.add(release)
    newer = filled.judged("fail", 1)

    def state(image: Image) -> str | None:
        return image_state(filled.session, image, filled.rules)

    assert (state(first), state(old.image), state(newer.image)) == (None, "released", None)
    filled.review(old, "reject")
    assert (state(old.image), state(newer.image)) == ("rejected", None)
    better = filled.judged("pass", 2)
    assert (state(old.image), state(better.image)) == ("rejected", "releasable"), "published, and the candidate"
    release.withdrawn_at = release.released_at
    filled.session.flush()
    assert state(old.image) is None, "it is neither the candidate nor published"
