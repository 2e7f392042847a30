"""Decisions made at the desk: one or many, none of them made without having seen the one before, each to be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Audit, Image, Prompt, PromptBatch, Review
from twig_assets.compliance import ReviewError, decide
from twig_assets.compliance.candidates import audits_in_force
from twig_assets.compliance.decisions import Decision, decided


class ConflictError(RuntimeError):
    """Somebody else has decided meanwhile; nothing was written.

    Attributes:
        newest: Their decision.
    """

    def __init__(self, newest: Review) -> None:
        """Say who was faster."""
        super().__init__(f"{newest.who} decided meanwhile: {newest.decision}, {newest.why}. Look at it again.")
        self.newest = newest


@dataclass(frozen=True)
class Wish:
    """What somebody wants to decide.

    Attributes:
        sha256: The picture.
        seen: Id of the newest decision about it that they saw, 0 for none.
    """

    sha256: str
    seen: int


def make(
    catalog: Catalog, campaign: Campaign, wishes: Sequence[Wish], decision: Decision, who: str, why: str
) -> list[int]:
    """Write down a decision about pictures: about all of them, or about none.

    Args:
        catalog: The catalog.
        campaign: The campaign.
        wishes: The pictures.
        decision: See `compliance.decide`.
        who: Who decides.
        why: The reason.

    Returns:
        The ids of the new rows.

    Raises:
        ConflictError: If somebody has decided about one of the pictures since it was looked at.
        ReviewError: If the decision cannot be written down.
        NotMaterializedError: If no model serves.
    """
    # Two desks, perhaps on two machines, must not both find that nobody has decided.
    with catalog.claimed(f"decisions of {campaign.name}"), catalog.session() as session:
        rules = rules_in_force(session, campaign)[1]
        made = []
        for wish in wishes:
            newest = newest_decision(session, campaign.name, wish.sha256)
            if newest is not None and newest.id != wish.seen:
                raise ConflictError(newest)
            made += decide(session, campaign.name, rules, wish.sha256, decision, who, why)
        return [review.id for review in made]


def undo(catalog: Catalog, campaign: Campaign, wishes: Sequence[Wish], who: str) -> None:
    """Take back one's own newest decision about pictures, so that what held before holds again; of all, or of none.

    Nothing is removed: the decision is lifted, and one that it had ended is made anew in its words.

    Raises:
        ConflictError: If somebody has decided since.
        ReviewError: If a newest decision is another person's, or there is none.
    """
    with catalog.claimed(f"decisions of {campaign.name}"), catalog.session() as session:
        rules = rules_in_force(session, campaign)[1]
        for wish in wishes:
            _undo(session, campaign.name, rules, wish, who)


def _undo(session: Session, campaign: str, rules: Rules, wish: Wish, who: str) -> None:
    about = _about(session, campaign, wish.sha256)
    if not about or about[-1].who != who:
        raise ReviewError(f"{wish.sha256[:12]}: the newest decision is none of yours, so it cannot be undone")
    newest = about[-1]
    if newest.id != wish.seen:
        raise ConflictError(newest)
    # A decision about a picture that was drawn for several prompts is a row for each.
    earlier = list(dropwhile(lambda made: _same(made, newest), reversed(about)))[::-1]
    audit = audits_in_force(session, [newest.audit.image_id], rules).get(newest.audit.image_id)
    before = decided(earlier, audit, rules.approvals)
    decide(session, campaign, rules, wish.sha256, "lift", who, f"undone: {newest.decision}, {newest.why}")
    if before.decision is not None and before.review is not None:
        why = f"as {before.who} had decided before ({before.review.why}), since that was undone"
        decide(session, campaign, rules, wish.sha256, before.decision, who, why)


def newest_decision(session: Session, campaign: str, sha256: str) -> Review | None:
    """The newest decision about a picture in a campaign; None if there is none."""
    return next(reversed(_about(session, campaign, sha256)), None)


def _about(session: Session, campaign: str, sha256: str) -> list[Review]:
    wanted = select(Review).join(Audit).join(Image).join(Prompt).join(PromptBatch).order_by(Review.id)
    return list(session.scalars(wanted.where(PromptBatch.campaign == campaign, Image.sha256 == sha256)))


def _same(one: Review, other: Review) -> bool:
    return (one.who, one.decision, one.why) == (other.who, other.decision, other.why)
