"""Which of a person's decisions hold: each is about an image, the works that its verdict rests on, and one policy."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, Image, Review
from twig_assets.similarity import is_behind


def standing_decisions(session: Session, *which: ColumnElement[bool]) -> dict[int, Review]:
    """The newest decision that holds for each audit.

    A decision holds for the audit that it was made about, and for later ones of the same image under the same policy
    as long as the same works are behind the verdict. So it outlives a corpus that grows by works that the image does
    not resemble; and it ends when the image or the policy changes, or a further work comes too near.

    Args:
        session: An open session.
        which: Conditions on `Audit` that choose the audits.

    Returns:
        Audit id -> decision, for those that have one.
    """
    reviews: dict[str, list[Review]] = {}
    of_images = select(Image.sha256, Review).select_from(Review).join(Audit).join(Image).order_by(Review.id)
    for sha256, review in session.execute(of_images):
        reviews.setdefault(sha256, []).append(review)
    reviewed = select(Image.sha256).join(Audit).join(Review)
    standing = {}
    for sha256, audit in session.execute(
        select(Image.sha256, Audit).join(Image).where(Image.sha256.in_(reviewed), *which)
    ):
        holding = [review for review in reviews[sha256] if holds(review, audit)]
        if holding:
            standing[audit.id] = holding[-1]
    return standing


def holds(review: Review, audit: Audit) -> bool:
    """Whether a decision, perhaps about an earlier audit, is also one about this audit."""
    about = review.audit
    if about.id == audit.id:
        return True
    if about.image.sha256 != audit.image.sha256 or about.policy_id != audit.policy_id:
        return False
    return about.nearest_reference_id == audit.nearest_reference_id and behind(audit) <= behind(about)


def behind(audit: Audit) -> set[int]:
    """The references that an audit's verdict rests on, the nearest always among them."""
    nearest = {audit.nearest_reference_id} if audit.nearest_reference_id is not None else set()
    return nearest | {m.reference_id for m in audit.matches if is_behind(m.scores, audit.thresholds, audit.verdict)}
