"""The rows of concepts, of their edits, and of the models that these edits compose."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Concept, ConceptEdit, Model
from twig_assets.catalog.serving import NotMaterializedError, newest_edits, unedited_concepts
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.refused_edits import EditDecision, EditSettings


def concept_target(session: Session, campaign: str, name: str) -> tuple[int, ConceptTarget]:
    """The id of a campaign's concept, and what is to be removed.

    Raises:
        NotMaterializedError: If the catalog does not have it.
    """
    row = session.scalars(select(Concept).where(Concept.campaign == campaign, Concept.name == name)).first()
    if row is None:
        raise NotMaterializedError(
            f"campaign {campaign!r} has no concept {name!r}; materialize protected_concepts first"
        )
    fields = ("name", "target", "anchor", "kind", "aliases", "preserve")
    return row.id, ConceptTarget.model_validate({field: getattr(row, field) for field in fields})


def newest_edit(session: Session, concept_id: int) -> ConceptEdit | None:
    """The newest edit of a concept, accepted or not; None if it has none."""
    edits = select(ConceptEdit).where(ConceptEdit.concept_id == concept_id).order_by(ConceptEdit.id.desc())
    return session.scalars(edits.limit(1)).first()


def finished_edit(session: Session, concept_id: int, base_sha256: str, settings_sha256: str) -> ConceptEdit | None:
    """The newest edit of a concept for a base model, made with given settings; None if it has none."""
    return session.scalars(
        select(ConceptEdit)
        .where(
            ConceptEdit.concept_id == concept_id,
            ConceptEdit.base_sha256 == base_sha256,
            ConceptEdit.settings_sha256 == settings_sha256,
        )
        .order_by(ConceptEdit.id.desc())
        .limit(1)
    ).first()


def make_newest(session: Session, edit: ConceptEdit) -> None:
    """Add the row of an edit again if it is not the newest, as after a change and back: the newest edit serves."""
    newest = newest_edit(session, edit.concept_id)
    if newest is not None and newest.id == edit.id:
        return
    kept = [c.key for c in ConceptEdit.__table__.columns if c.key not in ("id", "created_at")]
    session.add(ConceptEdit(**{key: getattr(edit, key) for key in kept}))


def edits_for_base(session: Session, campaign: str, checkpoint: str, base_sha256: str) -> list[ConceptEdit]:
    """The newest edit of every active concept, accepted or not.

    Args:
        session: An open session.
        campaign: The campaign's name.
        checkpoint: Its checkpoint, for the message.
        base_sha256: The checkpoint's fingerprint.

    Raises:
        NotMaterializedError: If a concept has no edit for this checkpoint.
    """
    edits = newest_edits(session, campaign)
    others = [edit.concept.name for edit in edits if edit.base_sha256 != base_sha256]
    if missing := sorted(unedited_concepts(session, campaign) + others):
        partitions = ", ".join(f"{campaign}.{name}" for name in missing)
        raise NotMaterializedError(
            f"these concepts have no edit for checkpoint {checkpoint!r}; materialize ablated_models for {partitions}"
        )
    return edits


def by_decisions(session: Session, edits: list[ConceptEdit], policy: EditSettings) -> list[ConceptEdit]:
    """The edits as people decided about those that were refused; a change of mind is a further row of the edit.

    Args:
        session: An open session.
        edits: The newest edit of each concept.
        policy: The decisions; one that was taken back holds no longer.
    """
    return [_decided(session, edit, policy.decided(edit.weights_sha256)) for edit in edits]


def _decided(session: Session, edit: ConceptEdit, decision: EditDecision | None) -> ConceptEdit:
    before = edit.evaluation.get("let_through")
    now = decision.model_dump(mode="json") if decision and decision.use else None
    if before == now or (edit.accepted and not before):
        return edit
    kept = {c.key: getattr(edit, c.key) for c in ConceptEdit.__table__.columns if c.key not in ("id", "created_at")}
    evaluation = {key: value for key, value in edit.evaluation.items() if key != "let_through"}
    evaluation |= {"let_through": now} if now else {}
    row = ConceptEdit(**{**kept, "accepted": now is not None, "evaluation": evaluation})
    session.add(row)
    session.flush()
    return row


def models_of(session: Session, checkpoint: str, base_sha256: str, weights: list[str]) -> list[Model]:
    """The rows of the models that a checkpoint and edits compose, the newest first; `weights`: SHA-256 of each edit."""
    rows = session.scalars(select(Model).where(Model.base_sha256 == base_sha256).order_by(Model.id.desc()))
    return [row for row in rows if row.checkpoint == checkpoint and sorted(row.edits) == sorted(weights)]


def keep_model(session: Session, model: Model) -> None:
    """Add a model's row, unless it is there already, as where only the file of its joint edit was lost."""
    if session.scalar(select(Model.id).where(Model.sha256 == model.sha256)) is None:
        session.add(model)
