"""The tables of the catalog."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, StatementError

from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Concept, Mask, Model, Prompt, PromptBatch, Reference


def concept(**changes: object) -> Concept:
    values = {"campaign": "demo", "name": "owl", "target": "an owl", "anchor": "a bird", "kind": "object"}
    return Concept(**{**values, **changes})


def test_moments_come_back_in_utc_whatever_zone_they_were_in(catalog: Catalog) -> None:
    tokyo = datetime(2025, 1, 1, 3, tzinfo=timezone(timedelta(hours=9)))
    with catalog.session() as session:
        session.add(PromptBatch(key="demo-000", campaign="demo", created_at=tokyo))
    with catalog.session() as session:
        batch = session.get_one(PromptBatch, "demo-000")
    assert batch.created_at == tokyo
    assert batch.created_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused(catalog: Catalog) -> None:
    batch = PromptBatch(key="demo-000", campaign="demo", created_at=datetime(2025, 1, 1))
    with pytest.raises(StatementError, match="has no time zone"), catalog.session() as session:
        session.add(batch)


def test_rows_get_the_time_of_their_making_by_themselves(catalog: Catalog) -> None:
    before = datetime.now(UTC)
    with catalog.session() as session:
        model = Model(sha256="a" * 64, checkpoint="embedded", base_sha256="b" * 64)
        session.add(model)
    assert before <= model.created_at <= datetime.now(UTC)
    assert model.edits == []


def test_a_batch_and_its_prompts_are_added_in_one_go_and_listed_in_order(catalog: Catalog) -> None:
    prompts = [Prompt(position=i, text=f"prompt {i}", seed=2**62 + i, sha256=f"{i:064}") for i in (2, 0, 1)]
    with catalog.session() as session:
        session.add(PromptBatch(key="demo-000", campaign="demo", prompts=prompts))
    with catalog.session() as session:
        stored = session.get_one(PromptBatch, "demo-000").prompts
    assert [(prompt.position, prompt.seed) for prompt in stored] == [(i, 2**62 + i) for i in range(3)]


def test_a_concept_keeps_its_lists(catalog: Catalog) -> None:
    with catalog.session() as session:
        session.add(concept(aliases=["eule", "búho"], preserve=["a hawk"]))
    with catalog.session() as session:
        stored = session.scalars(select(Concept)).one()
    assert (stored.aliases, stored.preserve, stored.active) == (["eule", "búho"], ["a hawk"], True)


def test_the_same_concept_twice_in_a_campaign_is_refused(catalog: Catalog) -> None:
    with catalog.session() as session:
        session.add_all([concept(), concept(campaign="other")])
    with pytest.raises(IntegrityError, match=r"concept\.campaign, concept\.name"), catalog.session() as session:
        session.add(concept())


def test_a_kind_that_does_not_exist_is_refused(catalog: Catalog) -> None:
    with pytest.raises(IntegrityError, match="ck_concept_kind"), catalog.session() as session:
        session.add(concept(kind="person"))


def test_a_row_that_points_at_nothing_is_refused(catalog: Catalog) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), catalog.session() as session:
        session.add(Mask(image_id=12, segmenter="embedded", outcome="empty", area=0.0))


def test_scores_that_are_not_numbers_are_refused(catalog: Catalog) -> None:
    with pytest.raises(StatementError, match="JSON compliant"), catalog.session() as session:
        session.add(concept(preserve=[float("nan")]))


def test_references_are_active_until_withdrawn(catalog: Catalog) -> None:
    works = {"title": "Night", "rights_holder": "A. Painter", "licence": "all rights reserved", "file": "night.png"}
    with catalog.session() as session:
        session.add(Reference(campaign="demo", sha256="c" * 64, **works))
    with catalog.session() as session:
        assert session.scalars(select(Reference.status)).one() == "active"
