"""What a report takes from the catalog."""

from datetime import UTC, datetime

import numpy as np
import pytest
import yaml

from tests.unit.reports.filler import Filler, copied, drawing
from twig_assets.catalog.models import Audit, Concept, ConceptEdit, Image, PolicyRow, Prompt, Reference, Review
from twig_assets.reports import ReportData, collect
from twig_assets.similarity import Policy

CANNOT_TELL = {"release_cannot_tell": True}


def report(filler: Filler) -> ReportData:
    return collect(filler.session, filler.campaign, now=datetime(2026, 5, 4, tzinfo=UTC))


def copy_and_quarantine(filler: Filler, slug: str = "clock", attempts: int = 3) -> Prompt:
    """A planted prompt all of whose images are copies."""
    prompt = filler.prompt("salt clock at low tide")
    first = filler.image(prompt, copied(slug))
    filler.audit(first)
    for attempt in range(attempts):
        image = filler.image(prompt, copied(slug, 9, seed=attempt), "regenerated", attempt, first)
        filler.audit(image)
    return prompt


def draw_and_release(filler: Filler, name: str = "owl") -> Prompt:
    """An ordinary prompt whose second image is published."""
    prompt = filler.prompt(f"an {name}")
    pixels, mask = drawing(name)
    first = filler.image(prompt, pixels)
    filler.mask(first, mask)
    second = filler.image(prompt, drawing(name, seed=1)[0], "regenerated", 0, first)
    filler.release(second, filler.audit(second, mask))
    return prompt


def test_an_empty_catalog_gives_an_empty_report(filler: Filler) -> None:
    data = report(filler)
    assert data.summary.counts.model_dump() == {
        "asked": 0,
        "released": 0,
        "released_as_asked": 0,
        "released_narrowly": 0,
        "released_waived": 0,
        "released_cannot_tell": 0,
        "released_unjudged": 0,
        "released_unsafe": 0,
        "waiting": 0,
        "withheld": 0,
        "unfinished": 0,
        "quarantined": 0,
        "withdrawn": 0,
        "named": 0,
        "images": 0,
        "audited": 0,
        "failed": 0,
        "worst_released_ssim": None,
        "ssim_95_released": None,
    }
    assert (data.summary.model, data.summary.corpus_sha256, data.summary.policy) == (None, None, {})
    assert len(data.caught) == len(data.prompts) == 0
    assert data.summary.made_at == datetime(2026, 5, 4, tzinfo=UTC)


def test_copies_are_caught_and_drawings_released(filler: Filler) -> None:
    copy_and_quarantine(filler)
    draw_and_release(filler)
    data = report(filler)
    assert [line.outcome for line in data.prompts] == ["quarantined", "released"]
    counts = data.summary.counts
    assert (counts.images, counts.audited, counts.failed) == (6, 5, 4)
    assert (counts.released, counts.quarantined, counts.released_unsafe) == (1, 1, 0)
    [caught] = data.caught
    assert caught.nearest is not None
    assert caught.nearest.title == caught.prompt == "salt clock at low tide"
    assert [one.stage for one in caught.images] == ["generated"] + ["regenerated"] * 3
    assert [one.attempt for one in caught.images] == [0, 0, 1, 2]
    assert all(one.ssim is not None and one.ssim >= 0.5 == one.ssim_threshold for one in caught.images)
    [released] = data.released
    assert released.terms == "as_asked"
    assert released.image.ssim == data.summary.counts.worst_released_ssim
    assert released.image.masked_ssim is not None
    assert data.summary.policy == filler.policy.model_dump()
    assert data.summary.corpus_sha256 == filler.version.sha256
    assert len(data.summary.references) == 8


def test_a_prompt_with_attempts_left_is_failed_and_not_quarantined(filler: Filler) -> None:
    copy_and_quarantine(filler, attempts=2)
    data = report(filler)
    assert data.prompts[0].outcome == "failed"
    assert data.summary.counts.quarantined == 0


def test_the_attempt_that_passed_is_released_and_the_earlier_ones_stay_caught(filler: Filler) -> None:
    prompt = copy_and_quarantine(filler, attempts=1)
    image = filler.image(prompt, drawing("owl")[0], "regenerated", 1)
    filler.release(image, filler.audit(image))
    data = report(filler)
    assert data.prompts[0].outcome == "released"
    assert data.released[0].image.attempt == 1
    assert [len(group.images) for group in data.caught] == [2]


def test_a_withdrawn_release_is_not_shown(filler: Filler) -> None:
    draw_and_release(filler)
    prompt = filler.prompt("a fox")
    image = filler.image(prompt, drawing("fox")[0], "regenerated")
    row = filler.release(image, filler.audit(image))
    row.withdrawn_at = datetime.now(UTC)
    filler.session.flush()
    data = report(filler)
    assert [one.prompt for one in data.released] == ["an owl"]
    assert (data.prompts[1].outcome, data.prompts[1].why) == ("unfinished", "it complies, and is not released yet")


def test_a_stricter_policy_makes_a_published_image_unsafe_until_a_person_waives_it(filler: Filler) -> None:
    draw_and_release(filler)
    strict = Policy(ssim_threshold=0.05, review_margin=0.01, iw_ssim_threshold=None)
    row = PolicyRow(sha256=strict.sha256, body=strict.model_dump())
    filler.session.add(row)
    filler.session.flush()
    (filler.campaign.policy_file).write_text(yaml.safe_dump(strict.model_dump()))
    image = filler.session.query(Image).filter_by(stage="regenerated").one()
    newest = filler.audit(image, policy=row)
    data = report(filler)
    assert data.released[0].image.verdict == "fail"
    assert data.summary.counts.released_unsafe == 1
    assert data.summary.policy_sha256 == strict.sha256
    filler.session.add(Review(audit_id=newest.id, decision="waive", who="Ada", why="a plain owl"))
    filler.session.flush()
    filler.session.refresh(newest)
    data = report(filler)
    assert (data.summary.counts.released_unsafe, data.summary.counts.released_waived) == (0, 1)
    assert data.released[0].image.waiver == "Ada: a plain owl"
    filler.session.add(Review(audit_id=newest.id, decision="reject", who="Bob", why="no"))
    filler.session.flush()
    filler.session.refresh(newest)
    assert report(filler).summary.counts.released_unsafe == 1


def test_released_images_come_worst_first(filler: Filler) -> None:
    for name in ("owl", "fox", "pear", "koala"):
        draw_and_release(filler, name)
    scores = [one.image.ssim for one in report(filler).released]
    assert scores == sorted(scores, reverse=True, key=lambda score: score or 0)


def test_the_first_image_shown_is_the_one_the_candidate_was_made_from(filler: Filler) -> None:
    prompt = filler.prompt("a fox")
    old = filler.image(prompt, drawing("fox", seed=1)[0])
    filler.image(prompt, drawing("fox", seed=2)[0], attempt=1)
    filler.image(prompt, drawing("fox", seed=3)[0], "regenerated", 0, old)
    first = report(filler).prompts[0].first
    assert first is not None
    assert first.picture.sha256 == old.sha256


def test_a_failed_first_image_that_a_rerun_replaced_is_still_shown_as_caught(filler: Filler) -> None:
    prompt = filler.prompt("salt clock at low tide")
    filler.audit(filler.image(prompt, copied("clock")))
    second = filler.image(prompt, copied("clock", 8, seed=1), attempt=1)
    filler.audit(second)
    filler.image(prompt, drawing("fox")[0], "regenerated", 1, second)
    data = report(filler)
    assert [image.attempt for image in data.caught[0].images] == [0, 1]
    assert sum(len(group.images) for group in data.caught) == data.summary.counts.failed == 2


def test_an_image_audited_under_another_policy_counts_as_not_audited(filler: Filler) -> None:
    draw_and_release(filler)
    other = Policy(ssim_threshold=0.7)
    row = PolicyRow(sha256=other.sha256, body=other.model_dump())
    filler.session.add(row)
    filler.session.flush()
    prompt = filler.prompt("a fox")
    filler.audit(filler.image(prompt, drawing("fox")[0]), policy=row)
    counts = report(filler).summary.counts
    assert (counts.images, counts.audited) == (3, 1)


def test_a_blank_image_waits_for_a_person(filler: Filler) -> None:
    prompt = filler.prompt("nothing")
    filler.audit(filler.image(prompt, np.full((64, 64, 3), 255, np.uint8), "regenerated"))
    data = report(filler)
    assert data.prompts[0].outcome == "waiting"
    assert data.prompts[0].attempts[0].nearest is None


def test_withdrawn_works_are_not_listed(filler: Filler) -> None:
    row = filler.session.query(Reference).filter_by(file="clock.png").one()
    row.status = "withdrawn"
    filler.session.flush()
    assert len(report(filler).summary.references) == 7


def test_a_concept_without_an_edit_says_so_and_no_image_counts_until_it_has_one(filler: Filler) -> None:
    draw_and_release(filler)
    dog = Concept(campaign="demo", name="dog", target="dog", anchor="thing", kind="object", aliases=[], preserve=[])
    filler.session.add(dog)
    filler.session.flush()
    data = report(filler)
    assert (data.summary.concepts[0].accepted, data.summary.concepts[0].figures) == (None, [])
    assert (data.summary.model, data.summary.counts.images, data.summary.counts.released) == (None, 0, 1)
    assert data.summary.counts.released_unsafe == 0


def test_a_concept_shows_its_newest_edit(filler: Filler) -> None:
    concepts = [
        Concept(campaign="demo", name="cat", target="cat", anchor="thing", kind="object", aliases=[], preserve=[])
    ]
    filler.session.add_all(concepts)
    filler.session.flush()
    figure = {"prompt": "a cat", "role": "target", "score_before": 0.8, "score_after": 0.4, "accuracy_before": 1.0}
    for after in (0.9, 0.1):
        evaluation = {"samples": 8, "first_seed": 1, "figures": [figure | {"accuracy_after": after}]}
        filler.session.add(
            ConceptEdit(
                concept_id=concepts[0].id,
                base_sha256="b" * 64,
                method="closed_form",
                settings={},
                settings_sha256="s" * 64,
                weights_sha256="w" * 64,
                evaluation=evaluation,
                accepted=after < 0.5,
                seconds=1.5,
            )
        )
        filler.session.flush()
    filler.model.edits = ["w" * 64]
    draw_and_release(filler)
    data = report(filler)
    [cat] = data.summary.concepts
    assert (cat.accepted, cat.samples, cat.figures[0].accuracy_after) == (True, 8, 0.1)
    assert data.summary.model is not None
    assert data.summary.model.edits == ["cat"]


@pytest.mark.parametrize("name", ["owl", ""])
def test_a_candidate_that_a_person_rejected_is_said_to_be_rejected(filler: Filler, name: str) -> None:
    pixels = drawing(name)[0] if name else np.full((64, 64, 3), 255, np.uint8)
    audit = filler.audit(filler.image(filler.prompt("an owl"), pixels, "regenerated"))
    assert audit.verdict == ("pass" if name else "inconclusive")
    filler.session.add(Review(audit_id=audit.id, decision="reject", who="Ada", why="in bad taste"))
    filler.session.flush()
    data = report(filler)
    assert [line.outcome for line in data.prompts] == ["rejected"]
    assert (data.summary.counts.released, data.summary.counts.waiting, data.summary.counts.withheld) == (0, 0, 1)
    assert data.prompts[0].why == "rejected by Ada: in bad taste"


def candidate(filler: Filler, text: str, shows: str | None, attempt: int = 0) -> Image:
    """A prompt's second image, an owl that passes the audit."""
    image = filler.image(filler.prompt(text), drawing("owl", seed=1)[0], "regenerated", attempt)
    filler.audit(image, shows=shows)
    return image


def test_every_prompt_is_in_one_of_the_headline_figures(filler: Filler) -> None:
    draw_and_release(filler)
    copy_and_quarantine(filler)
    candidate(filler, "a blorp", "cannot_tell")
    candidate(filler, "an owl at night", "not_as_asked")
    candidate(filler, "an owl by day", None)
    filler.prompt("an owl at noon")
    counts = report(filler).summary.counts
    assert (counts.asked, counts.released_as_asked, counts.waiting, counts.withheld) == (6, 1, 1, 1)
    assert counts.unfinished == 3
    assert counts.released + counts.waiting + counts.withheld + counts.unfinished == counts.asked


def test_what_is_released_though_the_judge_cannot_tell_is_counted_and_marked(filler: Filler) -> None:
    image = candidate(filler, "a blorp", "cannot_tell")
    [audit] = filler.session.query(Audit).filter_by(image_id=image.id)
    filler.release(image, audit)
    assert report(filler).released[0].terms == "withdraw"
    filler.campaign.policy_file.write_text(yaml.safe_dump({**filler.policy.model_dump(), "adherence": CANNOT_TELL}))
    data = report(filler)
    assert [one.terms for one in data.released] == [data.prompts[0].terms] == ["cannot_tell"]
    assert (data.summary.counts.released_as_asked, data.summary.counts.released_cannot_tell) == (0, 1)
    assert data.summary.judge.release_cannot_tell


def test_an_image_has_its_adherence_with_the_judge_and_what_it_was_taken_for(filler: Filler) -> None:
    candidate(filler, "an owl", "not_as_asked")
    data = report(filler)
    shown = data.prompts[0].attempts[0].adherence
    assert shown is not None
    assert (shown.verdict, shown.subject, shown.taken_for) == ("not_as_asked", "owl", "red apple")
    assert (shown.judge_sha256, shown.threshold) == (data.summary.judge.sha256, data.summary.judge.threshold)
    assert data.summary.judge.source == "15% of 40 plain draws lie below it"
    assert data.prompts[0].outcome == "failed"
    assert str(data.prompts[0].why).startswith("to be drawn again: does not show its prompt (asked for owl")


def test_what_the_judge_takes_for_something_else_within_its_tolerance_is_said_to_be_narrow(filler: Filler) -> None:
    draw_and_release(filler)
    assert report(filler).summary.counts.released_narrowly == 0
    image = filler.session.query(Image).filter_by(stage="regenerated").one()
    filler.adherence(image, "as_asked", score=-0.05)
    counts = report(filler).summary.counts
    assert (counts.released_as_asked, counts.released_narrowly) == (1, 1)


def test_a_rerun_says_why_it_was_drawn_and_with_which_other_settings(filler: Filler) -> None:
    first = candidate(filler, "an owl", "not_as_asked")
    again = filler.image(first.prompt, drawing("owl", seed=2)[0], "regenerated", 1)
    plain = first.settings["regeneration"]
    first.settings = {**first.settings, "applied": {"reason": None, "evidence": False, "regeneration": plain}}
    weaker = {"reason": "lost_subject", "evidence": False, "regeneration": {**plain, "strength": 0.1}}
    again.settings = {**again.settings, "applied": weaker}
    filler.session.flush()
    [one, other] = report(filler).prompts[0].attempts
    assert one.rerun is None
    assert other.rerun is not None
    assert (other.rerun.reason, other.rerun.evidence_of_copy) == ("lost_subject", False)
    assert other.rerun.changed == [f"strength: {plain['strength']:.4g} -> 0.1"]


def test_a_later_attempt_that_is_worse_does_not_replace_the_candidate(filler: Filler) -> None:
    best = candidate(filler, "a blorp", "cannot_tell")
    worse = filler.image(best.prompt, copied("clock"), "regenerated", 1)
    filler.audit(worse, shows="cannot_tell")
    [line] = report(filler).prompts
    assert [image.candidate for image in line.attempts] == [True, False]
    assert line.outcome == "waiting"


def test_a_title_that_means_nothing_else_waits_because_the_model_drew_the_work(filler: Filler) -> None:
    prompt = filler.prompt("salt clock at low tide")
    filler.audit(filler.image(prompt, copied("clock")), shows="cannot_tell")
    filler.audit(filler.image(prompt, drawing("owl")[0], "regenerated"), shows="cannot_tell")
    [line] = report(filler).held
    assert line.outcome == "waiting"
    assert str(line.why).startswith("the model drew the protected work itself (salt clock at low tide); nothing else")
    assert "twig review" in str(line.next_step)
