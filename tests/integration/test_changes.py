"""Running a campaign again after something changed: only what the change touches is made anew."""

import pytest
from sqlalchemy import select, update

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, CONCEPTS, POLICY, PROMPTS, CampaignWorkspace, idle_assets
from twig_assets.catalog.models import Audit, ConceptEdit, Image, Mask, Release, Review

DRAWING = {"generated_images", "masks", "regenerated_images"}


def test_new_prompts_become_a_new_batch_and_old_ones_are_left_alone(finished: CampaignWorkspace) -> None:
    before = finished.images()
    finished.write("prompts.yaml", [*PROMPTS, "a yellow boat"])
    ended = finished.run()
    assert ended.code == 0, ended.text
    new = set(finished.images()) - set(before)
    assert set(before) < set(finished.images())
    assert sorted(stage for _, stage, *_ in new) == ["generated", "regenerated"]
    with finished.instance() as instance:
        assert sorted(instance.get_dynamic_partitions("prompt_batches")) == ["tiny-000", "tiny-001"]


def test_prompts_that_have_images_can_be_neither_changed_nor_taken_away(finished: CampaignWorkspace) -> None:
    for prompts, lost in (([PROMPTS[0], "a dog", PROMPTS[2]], PROMPTS[1]), (PROMPTS[:2], PROMPTS[2])):
        finished.write("prompts.yaml", prompts)
        ended = finished.run()
        assert ended.code == 2, ended.text
        assert f"was {lost!r}" in ended.text
        assert "put new ones at the end" in ended.text


def test_prompts_that_name_what_is_protected_are_refused_where_the_campaign_says_so(
    finished: CampaignWorkspace,
) -> None:
    images = finished.images()
    finished.write("campaign.yaml", {**CAMPAIGN, "prompt_check": {"protected": "refuse"}})
    ended = finished.run()
    assert ended.code == 2, ended.text
    assert "prompts.yaml:3: text: names what is protected: 'pouting cat'" in " ".join(ended.text.split())
    finished.write("campaign.yaml", {**CAMPAIGN, "prompt_check": {"protected": "rewrite"}})
    assert finished.run().code == 2, "the batch has images under the words that were there"
    assert finished.images() == images


def test_a_concept_that_leaves_and_returns_brings_back_the_first_model_and_its_releases(
    finished: CampaignWorkspace,
) -> None:
    images, released = finished.images(), finished.released()
    finished.write("concepts.yaml", [])
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert len(finished.images()) == 2 * len(images), "another model draws every prompt anew"
    with finished.catalog() as session:
        models = {r.image.model_id for r in session.scalars(select(Release).where(Release.withdrawn_at.is_(None)))}
        assert len(models) == 1
        withdrawn = session.scalars(select(Release).where(Release.withdrawn_at.is_not(None))).all()
        assert {(r.prompt_id, r.image.sha256) for r in withdrawn} == set(released.items())
        assert {r.reason for r in withdrawn} == {"another image took its place"}
        assert models.isdisjoint(r.image.model_id for r in withdrawn)
    with finished.instance() as instance:
        assert instance.get_dynamic_partitions("concepts") == []
    finished.write("concepts.yaml", CONCEPTS)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert DRAWING | {"ablated_models", "similarity_audits"} <= idle_assets(ended.text)
    assert finished.released() == released


def test_masks_come_from_where_the_campaign_says_and_second_images_are_drawn_anew(finished: CampaignWorkspace) -> None:
    before = finished.images()
    middle = {"point": [0.5, 0.5]}
    finished.write("campaign.yaml", {**CAMPAIGN, "masks": {"source": "prompted", "places": {"an owll": middle}}})
    ended = finished.run()
    assert ended.code == 2, ended.text
    assert "masks.places: no prompt is drawn as 'an owll'" in " ".join(ended.text.split())
    with finished.catalog() as session:
        automatic = {mask.segmenter for mask in session.scalars(select(Mask))}
    # Hardly any mask is so small, so most give way to the ending's.
    chosen = {"source": "prompted", "place": middle, "unusable": "bright_ending"}
    finished.write("campaign.yaml", {**CAMPAIGN, "masks": chosen, "segmentation": {"max_area": 0.02}})
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert {stage for _, stage, *_ in set(finished.images()) - set(before)} <= {"regenerated"}
    with finished.catalog() as session:
        made = session.scalars(select(Mask).where(Mask.segmenter.not_in(automatic))).all()
        of_firsts = [mask for mask in made if mask.image.stage == "generated"]
        assert len(of_firsts) == len(PROMPTS)
        assert {mask.source for mask in of_firsts} <= {"prompted", "bright_ending"}


def test_settings_changed_and_changed_back_bring_back_the_first_images(finished: CampaignWorkspace) -> None:
    images, released = finished.images(), finished.released()
    # An edit is evaluated anew at other settings, and by three steps it may be refused.
    finished.write("policy.yaml", {**POLICY, "edits": {"refused": "leave_out"}})
    finished.write("campaign.yaml", {**CAMPAIGN, "generation": {"steps": 3}})
    assert finished.run().code == 0
    assert len(finished.images()) == 2 * len(images)
    assert set(finished.released().values()).isdisjoint(released.values())
    finished.write("campaign.yaml", CAMPAIGN)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert DRAWING | {"ablated_models"} <= idle_assets(ended.text)
    assert len(finished.images()) == 2 * len(images)
    assert finished.released() == released


def test_a_refused_edit_stops_the_campaign_until_the_policy_or_a_person_lets_it_go_on(
    finished: CampaignWorkspace,
) -> None:
    with finished.owner("concept_edit") as owner:
        owner.execute(update(ConceptEdit).values(accepted=False))
        edit = owner.scalars(select(ConceptEdit.weights_sha256)).one()
    ended = finished.run()
    assert ended.code == 2, ended.text
    assert f"- pouting-cat, edit {edit[:12]}" in ended.text
    decision = {"edit": edit[:12], "use": True, "by": "Maria", "reason": "looked at all of them"}
    finished.write("policy.yaml", {**POLICY, "edits": {"decisions": [decision]}})
    ended = finished.run()
    assert ended.code == 0, ended.text
    with finished.catalog() as session:
        newest = session.scalars(select(ConceptEdit).order_by(ConceptEdit.id.desc())).first()
        assert newest is not None
        assert (newest.accepted, newest.evaluation["let_through"]["by"]) == (True, "Maria")
    finished.write("policy.yaml", {**POLICY, "edits": {"refused": "leave_out"}})
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert "composed_model: not in the model, as their edits were refused: pouting-cat" in ended.text
    with finished.catalog() as session:
        newest = session.scalars(select(Image).order_by(Image.id.desc())).first()
        assert newest is not None
        assert newest.model.edits == []


def test_a_stricter_policy_withdraws_a_waiver_releases_and_the_old_policy_restores(finished: CampaignWorkspace) -> None:
    images, released = finished.images(), finished.released()
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    finished.write("policy.yaml", ALL_FAIL)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert finished.released() == {}
    prompt, stage, *_, sha256 = images[1]
    assert stage == "regenerated"
    with finished.catalog() as session:
        reasons = set(session.scalars(select(Release.reason)))
        failed = select(Audit).join(Image).where(Image.sha256 == sha256, Audit.verdict == "fail")
        audit = session.scalars(failed).one()
        session.add(Review(audit_id=audit.id, decision="waive", who="Ann", why="our own drawing"))
    assert {reason.split(" (")[0] for reason in reasons} == {"its image is now: too similar to a protected work"}
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert finished.released() == {prompt: sha256}
    assert "2 quarantined" in ended.text
    finished.write("policy.yaml", POLICY)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert DRAWING | {"similarity_audits"} <= idle_assets(ended.text)
    assert finished.images() == images
    assert finished.released() == released


def test_what_a_person_should_see_is_held_back_and_neither_redrawn_nor_in_the_way(finished: CampaignWorkspace) -> None:
    images = finished.images()
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    finished.write("policy.yaml", {**POLICY, "ssim_threshold": 1.0, "review_margin": 0.999999})
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert "attempt 2" not in ended.text
    assert finished.images() == images
    with finished.catalog() as session:
        newest = {a.image_id: a.verdict for a in session.scalars(select(Audit).order_by(Audit.id))}
    held = [verdict for verdict in newest.values() if verdict == "review"]
    assert held
    assert len(finished.released()) < 3


def test_after_an_update_of_a_scoring_library_everything_is_audited_again(
    finished: CampaignWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, released, verdicts = finished.images(), finished.released(), finished.verdicts()
    monkeypatch.setattr("twig_assets.similarity.versions._installed", lambda: {"numpy": "of tomorrow"})
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert idle_assets(ended.text) >= DRAWING
    assert finished.images() == images
    assert finished.released() == released
    anew = finished.verdicts()
    assert len(anew) == 2 * len(verdicts), "the earlier audits stay"
    assert anew[::2] == anew[1::2] == verdicts, "the libraries are the same after all"
    assert "similarity_audits" in idle_assets(finished.run().text)
