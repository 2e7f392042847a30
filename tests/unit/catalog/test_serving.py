"""Which model serves a campaign and which corpus its images are compared with."""

import pytest
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Concept, ConceptEdit, CorpusVersion, Model, Reference
from twig_assets.catalog.serving import (
    NotMaterializedError,
    accepted_edits,
    current_corpus,
    newest_edits,
    serving_model,
    unedited_concepts,
)


def concept(session: Session, name: str, campaign: str = "demo", active: bool = True) -> Concept:
    row = Concept(campaign=campaign, name=name, target=name, anchor="thing", kind="object", active=active)
    session.add(row)
    session.flush()
    return row


def edit(session: Session, of: Concept, weights: str, accepted: bool = True) -> ConceptEdit:
    row = ConceptEdit(
        concept_id=of.id,
        base_sha256="base",
        method="closed_form",
        settings={},
        settings_sha256="s",
        weights_sha256=weights,
        evaluation={},
        accepted=accepted,
        seconds=1.0,
    )
    session.add(row)
    session.flush()
    return row


def model(session: Session, *edits: str, checkpoint: str = "embedded") -> Model:
    row = Model(sha256=f"{checkpoint}+{'+'.join(edits)}", checkpoint=checkpoint, base_sha256="base", edits=list(edits))
    session.add(row)
    session.flush()
    return row


def corpus(session: Session, *works: str, campaign: str = "demo") -> CorpusVersion:
    """Bring references and version in line with `works`, as the asset does."""
    there = {r.sha256: r for r in session.query(Reference).filter_by(campaign=campaign)}
    for sha256, row in there.items():
        row.status = "active" if sha256 in works else "withdrawn"
    session.add_all(
        Reference(campaign=campaign, sha256=w, title=w, rights_holder="x", licence="x", file=w)
        for w in set(works) - set(there)
    )
    name = "+".join(sorted(works))
    row = session.query(CorpusVersion).filter_by(campaign=campaign, sha256=name).first()
    row = row or CorpusVersion(campaign=campaign, sha256=name, members=sorted(works))
    session.add(row)
    session.flush()
    return row


def test_the_newest_edit_of_a_concept_counts_even_if_it_was_refused(session: Session) -> None:
    owl, cat = concept(session, "owl"), concept(session, "cat")
    edit(session, owl, "owl-1")
    edit(session, cat, "cat-1")
    edit(session, owl, "owl-2", accepted=False)
    assert [e.weights_sha256 for e in newest_edits(session, "demo")] == ["cat-1", "owl-2"]
    assert [e.weights_sha256 for e in accepted_edits(session, "demo")] == ["cat-1"]


def test_edits_of_inactive_concepts_and_of_other_campaigns_do_not_count(session: Session) -> None:
    edit(session, concept(session, "old", active=False), "old-1")
    edit(session, concept(session, "owl", campaign="other"), "other-1")
    assert newest_edits(session, "demo") == []


def test_the_serving_model_has_exactly_the_accepted_edits_in_any_order(session: Session) -> None:
    edit(session, concept(session, "owl"), "b")
    edit(session, concept(session, "cat"), "a")
    model(session)
    model(session, "a")
    wanted = model(session, "b", "a")
    model(session, "a", "b", "c")
    assert serving_model(session, "demo", "embedded") == wanted


def test_without_concepts_the_plain_checkpoint_serves(session: Session) -> None:
    plain = model(session)
    model(session, checkpoint="other")
    assert serving_model(session, "demo", "embedded") == plain


def test_a_model_without_the_newest_edit_does_not_serve(session: Session) -> None:
    owl = concept(session, "owl")
    edit(session, owl, "owl-1")
    model(session, "owl-1")
    edit(session, owl, "owl-2")
    with pytest.raises(NotMaterializedError, match="1 accepted edits; materialize composed_model"):
        serving_model(session, "demo", "embedded")


def test_a_model_serves_only_its_own_checkpoint(session: Session) -> None:
    model(session, checkpoint="other")
    with pytest.raises(NotMaterializedError, match="composed_model"):
        serving_model(session, "demo", "embedded")


def test_nothing_serves_while_a_protected_concept_has_no_edit(session: Session) -> None:
    edit(session, concept(session, "owl"), "owl-1")
    model(session, "owl-1")
    concept(session, "cat")
    concept(session, "gone", active=False)
    assert unedited_concepts(session, "demo") == ["cat"]
    with pytest.raises(NotMaterializedError, match="cat can still be drawn; materialize ablated_models"):
        serving_model(session, "demo", "embedded")


def test_a_refused_edit_leaves_the_model_of_the_others_serving(session: Session) -> None:
    edit(session, concept(session, "owl"), "owl-1", accepted=False)
    edit(session, concept(session, "cat"), "cat-1")
    wanted = model(session, "cat-1")
    assert unedited_concepts(session, "demo") == []
    assert serving_model(session, "demo", "embedded") == wanted


def test_the_corpus_is_the_version_with_exactly_the_active_works(session: Session) -> None:
    first = corpus(session, "a", "b")
    assert current_corpus(session, "demo") == first
    grown = corpus(session, "a", "b", "c")
    assert current_corpus(session, "demo") == grown
    assert corpus(session, "a", "b") == first
    assert current_corpus(session, "demo") == first, "a work added and taken away gives the first version again"


def test_campaigns_have_corpora_of_their_own(session: Session) -> None:
    corpus(session, "a", campaign="other")
    with pytest.raises(NotMaterializedError, match="'demo' has no corpus yet; materialize reference_corpus"):
        current_corpus(session, "demo")


def test_a_corpus_of_withdrawn_works_is_none(session: Session) -> None:
    corpus(session, "a")
    corpus(session)
    with pytest.raises(NotMaterializedError, match="reference_corpus"):
        current_corpus(session, "demo")


def test_works_that_no_version_holds_yet_have_to_be_materialized(session: Session) -> None:
    corpus(session, "a")
    session.add(Reference(campaign="demo", sha256="b", title="b", rights_holder="x", licence="x", file="b"))
    session.flush()
    with pytest.raises(NotMaterializedError, match="reference_corpus"):
        current_corpus(session, "demo")
