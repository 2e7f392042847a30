"""All decisions that people have made in a campaign, in order, and what became of each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import PromptBatch, Review
from twig_assets.compliance.candidates import audits_in_force
from twig_assets.compliance.decisions import Decided, decided, reviews_of


@dataclass(frozen=True)
class Made:
    """A decision.

    Attributes:
        review: Who decided what, when and why; its audit holds what it was about.
        prompt: The prompt of the image.
        standing: What it comes to today, in a few words.
        lapsed: Why it holds no longer although nobody took it back; None for most.
        lapsed_at: Since when, which is when the verdict was given that it does not hold for.
        before: The decision about the image that came before it; None for the first.
    """

    review: Review
    prompt: str
    standing: str
    lapsed: str | None = None
    lapsed_at: datetime | None = None
    before: Review | None = None


def history(session: Session, campaign: str, rules: Rules, batch: str | None = None) -> list[Made]:
    """The decisions about a campaign's images, the oldest first.

    Args:
        session: An open session.
        campaign: The campaign's name.
        rules: The rules in force.
        batch: Key of the batch that is meant; None for all. A picture that was drawn in several shares its decisions.
    """
    which = [PromptBatch.campaign == campaign] + ([PromptBatch.key == batch] if batch else [])
    return decisions_about(session, rules, *which)


def decisions_about(session: Session, rules: Rules, *which: ColumnElement[bool]) -> list[Made]:
    """The decisions about the images that conditions on `Image` and `PromptBatch` choose, the oldest first."""
    of_images = reviews_of(session, *which)
    audits = audits_in_force(session, of_images, rules)
    made: dict[int, Made] = {}
    for image_id, reviews in of_images.items():
        comes_to = decided(reviews, audits.get(image_id), rules.approvals)
        audit = audits.get(image_id)
        for before, review, after in zip([None, *reviews], reviews, [*reviews[1:], None], strict=False):
            lapsed = next((reason for waiver, reason in comes_to.lapsed if waiver.id == review.id), None)
            since = audit.created_at if lapsed and audit else None
            text, standing = review.audit.image.prompt.text, _standing(review, comes_to, lapsed, after)
            # The same picture drawn for several prompts shares its decisions; each row is listed once.
            made.setdefault(review.id, Made(review, text, standing, lapsed, since, before))
    return [made[review_id] for review_id in sorted(made)]


def _standing(review: Review, comes_to: Decided, lapsed: str | None, after: Review | None) -> str:
    if lapsed:
        return f"lapsed: {lapsed}"
    if review in comes_to.by:
        return "holds"
    if review in comes_to.waiting:
        return "waits until another person agrees"
    if review.decision == "lift":
        return "took back what was decided before"
    if after is not None and after.decision == "lift":
        return f"lifted by {after.who}"
    return "taken back by a later decision" if after is not None else "does not hold any more"
