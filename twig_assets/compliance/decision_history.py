"""All decisions that people have made in a campaign, in order, and what became of each."""

from dataclasses import dataclass

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
    """

    review: Review
    prompt: str
    standing: str
    lapsed: str | None = None


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
        for review in reviews:
            # The same picture drawn for several prompts shares its decisions; each row is listed once.
            made.setdefault(review.id, _made(review, comes_to, reviews[-1].id, review.audit.image.prompt.text))
    return [made[review_id] for review_id in sorted(made)]


def _made(review: Review, comes_to: Decided, last: int, text: str) -> Made:
    lapsed = next((reason for waiver, reason in comes_to.lapsed if waiver.id == review.id), None)
    if lapsed:
        return Made(review, text, f"lapsed: {lapsed}", lapsed)
    if review in comes_to.by:
        return Made(review, text, "holds")
    if review in comes_to.waiting:
        return Made(review, text, "waits until another person agrees")
    if review.decision == "lift":
        return Made(review, text, "took back what was decided before")
    return Made(review, text, "taken back by a later decision" if review.id < last else "does not hold any more")
