"""Which of a person's decisions hold: they are about an image beside the works it was judged by, under one policy."""

from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, Image, Review


def standing_decisions(session: Session, *which: ColumnElement[bool]) -> dict[int, Review]:
    """The newest decision that holds for each audit.

    A decision holds for the audit that it was made about, and for later ones of the same image under the same policy
    as long as the same works are behind the verdict. So it outlives a corpus that grows by works that the image does
    not resemble; and it ends when the image or the policy changes, or a further work comes too near.

    Args:
        session: An open session.
        which: Conditions on Audit: which ones are asked about.

    Returns:
        Audit id -> decision, for those that have one.
    """
    reviews = session.scalars(select(Review).order_by(Review.id)).all()
    images = {review.audit.image.sha256 for review in reviews}
    found = {}
    for audit in session.scalars(select(Audit).join(Image).where(Image.sha256.in_(images), *which)):
        held = [review for review in reviews if holds(review, audit)]
        if held:
            found[audit.id] = held[-1]
    return found


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
    return nearest | {m.reference_id for m in audit.matches if _near(m.scores, audit.thresholds, audit.verdict)}


def _near(scores: dict[str, Any], thresholds: dict[str, Any], verdict: str) -> bool:
    margin = thresholds.get("review_margin", 0) if verdict == "review" else 0
    reached = [
        scores[score] >= limit - margin
        for score in ("ssim", "masked_ssim")
        if scores.get(score) is not None and (limit := thresholds.get(f"{score}_threshold")) is not None
    ]
    return any(reached) or bool(scores.get("fired"))
