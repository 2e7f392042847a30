"""What a campaign draws with and is compared with now: its serving model and its current corpus."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Concept, ConceptEdit, CorpusVersion, Model, Reference


class NotMaterializedError(RuntimeError):
    """Something upstream has not been made yet; the message names the asset to materialize."""


def newest_edits(session: Session, campaign: str) -> list[ConceptEdit]:
    """The newest edit of every active concept that has one, accepted or not, in order of concept name."""
    rows = session.scalars(
        select(ConceptEdit).join(Concept).where(Concept.campaign == campaign, Concept.active).order_by(ConceptEdit.id)
    )
    newest = {edit.concept_id: edit for edit in rows}
    return sorted(newest.values(), key=lambda edit: edit.concept.name)


def unedited_concepts(session: Session, campaign: str) -> list[str]:
    """The names of the active concepts that have no edit at all yet, accepted or not."""
    edited = select(ConceptEdit.concept_id)
    wanted = select(Concept.name).where(Concept.campaign == campaign, Concept.active, Concept.id.not_in(edited))
    return list(session.scalars(wanted.order_by(Concept.name)))


def accepted_edits(session: Session, campaign: str) -> list[ConceptEdit]:
    """Those of the newest edits that passed their evaluation."""
    return [edit for edit in newest_edits(session, campaign) if edit.accepted]


def serving_model(session: Session, campaign: str, checkpoint: str) -> Model:
    """The composed model to draw with: the checkpoint with the accepted edits of the campaign's active concepts.

    Raises:
        NotMaterializedError: If a protected concept has no edit yet, or `composed_model` has not been made from the
            edits of now.
    """
    if unedited := unedited_concepts(session, campaign):
        raise NotMaterializedError(
            f"campaign {campaign!r}: {', '.join(unedited)} can still be drawn; materialize ablated_models, then "
            f"composed_model"
        )
    wanted = sorted(edit.weights_sha256 for edit in accepted_edits(session, campaign))
    models = session.scalars(select(Model).where(Model.checkpoint == checkpoint).order_by(Model.id.desc()))
    serving = next((model for model in models if sorted(model.edits) == wanted), None)
    if serving is None:
        raise NotMaterializedError(
            f"campaign {campaign!r} has no composed model with its {len(wanted)} accepted edits; materialize "
            f"composed_model"
        )
    return serving


def current_corpus(session: Session, campaign: str) -> CorpusVersion:
    """The corpus version that holds exactly the active references.

    Raises:
        NotMaterializedError: If `reference_corpus` has never been made for the campaign.
    """
    active = set(
        session.scalars(select(Reference.sha256).where(Reference.campaign == campaign, Reference.status == "active"))
    )
    versions = session.scalars(select(CorpusVersion).where(CorpusVersion.campaign == campaign))
    current = next((version for version in versions if set(version.members) == active), None)
    if current is None or not active:
        raise NotMaterializedError(f"campaign {campaign!r} has no corpus yet; materialize reference_corpus")
    return current
