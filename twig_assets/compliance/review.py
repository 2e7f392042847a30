"""A person's decisions about audits: which ones are wanted, and writing them down."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, Image, PolicyRow, Prompt, PromptBatch, Review
from twig_assets.compliance.candidates import Rules, prompt_states
from twig_assets.compliance.decisions import standing_decisions

Decision = Literal["waive", "reject"]


class ReviewError(ValueError):
    """A decision that cannot be written down; the message says what to name instead."""


@dataclass(frozen=True)
class Waiting:
    """A candidate that is not released unless a person decides so.

    Attributes:
        image_sha256: Names it.
        prompt: What it was drawn for.
        verdict: `fail`, `review` or `inconclusive`.
        reasons: Why.
        decision: A decision that holds already; None for most.
    """

    image_sha256: str
    prompt: str
    verdict: str
    reasons: list[str]
    decision: Review | None


def waiting(session: Session, campaign: str, rules: Rules) -> list[Waiting]:
    """The candidates of a campaign that did not pass, decided or not."""
    batches = session.scalars(
        select(PromptBatch.key).where(PromptBatch.campaign == campaign).order_by(PromptBatch.key)
    ).all()
    found = []
    for batch in batches:
        states = [s for s in prompt_states(session, batch, rules) if s.audit and s.audit.verdict != "pass"]
        standing = standing_decisions(session, Audit.id.in_([s.audit.id for s in states if s.audit]))
        found += [
            Waiting(s.candidate.sha256, s.prompt.text, s.audit.verdict, s.audit.reasons, standing.get(s.audit.id))
            for s in states
            if s.candidate and s.audit
        ]
    return found


def decide(
    session: Session, campaign: str, rules: Rules, image: str, decision: Decision, who: str, why: str
) -> list[Review]:
    """Write down a decision about an image, under the present policy and corpus.

    Args:
        session: An open session.
        campaign: Whose image.
        rules: The present rules.
        image: The beginning of its SHA-256, six digits at least.
        decision: `waive` lets it through whatever the verdict, `reject` holds it back.
        who: The person.
        why: The reason, for those who ask later.

    Returns:
        The new rows: one, or one for each prompt for which the very same image was drawn.

    Raises:
        ReviewError: If no image, or several, begin so, it has no audit under the present rules, or who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise ReviewError("who and why: both must say something, for those who ask later")
    if len(image) < 6 or not set(image) <= set("0123456789abcdef"):
        raise ReviewError(f"image: {image!r} is not the beginning of a SHA-256; give six lower-case hex digits or more")
    of_campaign = select(Image).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign)
    rows = session.scalars(of_campaign.where(Image.sha256.startswith(image))).all()
    if len({row.sha256 for row in rows}) != 1:
        raise ReviewError(
            f"image: {len({r.sha256 for r in rows})} images of {campaign!r} begin with {image}; give more"
        )
    audits = session.scalars(
        select(Audit)
        .join(PolicyRow)
        .where(
            Audit.image_id.in_([row.id for row in rows]),
            PolicyRow.sha256 == rules.policy_sha256,
            Audit.corpus_version_id == rules.corpus_id,
        )
    ).all()
    if not audits:
        raise ReviewError(f"image: {image} has no audit under the present policy and corpus; run the campaign first")
    made = [Review(audit_id=audit.id, decision=decision, who=who.strip(), why=why.strip()) for audit in audits]
    session.add_all(made)
    session.flush()
    return made
