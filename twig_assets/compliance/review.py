"""A person's decisions about audits: the candidates they are wanted for, and writing them down."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, Image, Prompt, PromptBatch, Review
from twig_assets.compliance.candidates import PromptState, audits_in_force, prompt_states
from twig_assets.compliance.decisions import Decided, Decision, reviews_of
from twig_assets.compliance.held import Held, held
from twig_assets.compliance.state import CandidateState


class ReviewError(ValueError):
    """A decision that cannot be written down; the message says what to name instead."""


@dataclass(frozen=True)
class Waiting:
    """A candidate that a person decides about, or has decided about.

    Attributes:
        image_sha256: The SHA-256 of its file.
        prompt: The prompt that it was drawn for.
        verdict: `fail`, `review` or `inconclusive`; `pass` for one that does not show its prompt, as far as the judge
            can tell, and for one that a person rejected all the same; None for a rejected one without one in force.
        adherence: `as_asked`, `not_as_asked` or `cannot_tell`; None where nobody has judged it yet.
        reasons: The reasons for these verdicts.
        why: Why it is not released, in one sentence; where it is released all the same, what speaks against it.
        next_step: What to do; empty where it is released.
        state: Its state, see `CandidateState`.
        decided: What people's decisions about it come to.
    """

    image_sha256: str
    prompt: str
    verdict: str | None
    adherence: str | None
    reasons: list[str]
    why: str
    next_step: str
    state: CandidateState
    decided: Decided


def waiting(session: Session, campaign: str, rules: Rules) -> list[Waiting]:
    """The candidates of a campaign that may not be released by themselves, and those that a person decided about.

    Args:
        session: An open session.
        campaign: The campaign's name.
        rules: The rules in force.
    """
    batches = session.scalars(
        select(PromptBatch.key).where(PromptBatch.campaign == campaign).order_by(PromptBatch.key)
    ).all()
    states = [state for batch in batches for state in prompt_states(session, batch, rules)]
    listed = [s for s in states if _for_a_person(s)]
    why = held(session, campaign, listed, rules)
    return [_waiting(s, s.candidate, why.get(s.prompt.id)) for s in listed if s.candidate]


def _for_a_person(state: PromptState) -> bool:
    if state.decision is not None:
        return True
    return state.audit is not None and not state.releasable


def _waiting(state: PromptState, candidate: Image, held: Held | None) -> Waiting:
    judged, audit = state.adherence, state.audit
    lacking = [judged.reason] if judged and judged.verdict != "as_asked" else []
    reasons = [*(audit.reasons if audit else ()), *lacking]
    return Waiting(
        image_sha256=candidate.sha256,
        prompt=state.prompt.text,
        verdict=audit.verdict if audit else None,
        adherence=judged.verdict if judged else None,
        reasons=reasons,
        why=held.why if held else "; ".join(reasons),
        next_step=held.next_step if held else "",
        state=state.state,
        decided=state.decided,
    )


def decide(
    session: Session, campaign: str, rules: Rules, image: str, decision: Decision, who: str, why: str
) -> list[Review]:
    """Write down a decision about an image, under the policy and corpus in force.

    A rejection needs no audit in force, so that nobody has to wait for one; it is written down beside the newest.

    Args:
        session: An open session.
        campaign: The name of the image's campaign.
        rules: The rules in force.
        image: The first digits of the image's SHA-256, six at least.
        decision: `waive` lets the image through whatever the verdict, `reject` holds it back until a person lifts it,
            `lift` takes back what was decided before, so that the verdicts decide.
        who: The person who decides.
        why: The reason, for those who ask later.

    Returns:
        The new rows: one, or one for each prompt for which the very same image was drawn.

    Raises:
        ReviewError: If no image, or several, have these digits, if the image has no audit that this could be about, if
            there is nothing to lift, or if who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise ReviewError("who and why: both must say something, for those who ask later")
    if len(image) < 6 or not set(image) <= set("0123456789abcdef"):
        raise ReviewError(f"image: {image!r} is not the beginning of a SHA-256; give six lower-case hex digits or more")
    of_campaign = select(Image).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign)
    images = session.scalars(of_campaign.where(Image.sha256.startswith(image))).all()
    hashes = {row.sha256 for row in images}
    if len(hashes) != 1:
        raise ReviewError(f"image: {len(hashes)} images of {campaign!r} begin with {image}; give more digits")
    ids = [row.id for row in images]
    audits = list(audits_in_force(session, ids, rules).values())
    if not audits and decision != "waive":
        audits = list(
            session.scalars(select(Audit).where(among(Audit.image_id, ids)).order_by(Audit.id.desc()).limit(1))
        )
    if not audits:
        raise ReviewError(f"image: {image} has no audit under the policy and corpus in force; run the campaign first")
    if decision == "lift" and not _in_effect(session, ids):
        raise ReviewError(f"image: nothing was decided about {image}, so that there is nothing to lift")
    reviews = [Review(audit_id=audit.id, decision=decision, who=who.strip(), why=why.strip()) for audit in audits]
    session.add_all(reviews)
    session.flush()
    return reviews


def _in_effect(session: Session, image_ids: list[int]) -> bool:
    """Whether the newest decision about images is one that can be lifted."""
    made = [review for reviews in reviews_of(session, among(Image.id, image_ids)).values() for review in reviews]
    return bool(made) and max(made, key=lambda review: review.id).decision != "lift"
