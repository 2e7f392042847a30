"""What is on the desk: one item for every prompt of which a person has something to decide, or has decided it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, AuditMatch
from twig_assets.compliance.candidates import PromptState, prompt_states
from twig_assets.compliance.decisions import people
from twig_assets.compliance.held import Held, held
from twig_assets.compliance.state import CandidateState
from twig_assets.similarity import severity
from twig_assets.similarity.verdicts.rule import triggered

Kind = Literal[
    "copy", "close", "inconclusive", "not_as_asked", "cannot_tell", "lapsed", "agree", "redraw", "rejected", "waived"
]
KINDS: dict[Kind, str] = {
    "copy": "too similar to a protected work",
    "close": "close to a protected work",
    "inconclusive": "cannot be compared",
    "not_as_asked": "does not show its prompt",
    "cannot_tell": "nobody can tell whether it shows its prompt",
    "lapsed": "a waiver lapsed",
    "agree": "another person has to agree",
    "redraw": "to be drawn again",
    "rejected": "rejected by a person",
    "waived": "let through by a person",
}
OPEN: tuple[Kind, ...] = ("copy", "close", "inconclusive", "not_as_asked", "cannot_tell", "lapsed", "agree")
"""What waits for a person; the others are listed when asked for."""
UNREAD = "unread"
"""What filters call works that could not be compared, and that nobody accepted."""


@dataclass(frozen=True)
class Item:
    """A candidate that a person decides about, or has decided about.

    Attributes:
        campaign: The campaign's name.
        batch: The batch's key.
        prompt_id: The prompt.
        prompt: Its text.
        image_id: The candidate.
        sha256: Of its file.
        kind: What there is to decide, or what was decided.
        state: See `CandidateState`.
        verdict: On its similarity; None without an audit in force.
        adherence: On whether it shows its prompt; None where nobody has judged that.
        why: Why it is held back, or what speaks against it, in a sentence.
        next_step: What to do.
        decided: What people decided, in a few words; empty as long as nobody has.
        work: Title of the work that the verdict rests on; empty without one.
        holder: Its rights holder.
        seen: Id of the newest decision about it, 0 if there is none.
        evidence: Orders items: the worst evidence first.
    """

    campaign: str
    batch: str
    prompt_id: int
    prompt: str
    image_id: int
    sha256: str
    kind: Kind
    state: str
    verdict: str | None
    adherence: str | None
    why: str
    next_step: str
    decided: str
    work: str
    holder: str
    seen: int
    evidence: tuple[float, ...]

    @property
    def open(self) -> bool:
        """Whether it waits for a person."""
        return self.kind in OPEN

    @property
    def key(self) -> str:
        """Names it in addresses and forms: a picture may have been drawn for several prompts."""
        return f"{self.prompt_id}-{self.sha256[:16]}"


def items_of(session: Session, campaign: str, batch: str, rules: Rules) -> tuple[list[Item], list[PromptState]]:
    """The items of a batch, and the state of all its prompts.

    Args:
        session: An open session.
        campaign: The campaign's name.
        batch: The batch's key.
        rules: The rules in force.
    """
    states = prompt_states(session, batch, rules)
    listed = [state for state in states if _kind(state) is not None]
    _load_matches(session, listed)
    why = held(session, campaign, listed, rules)
    return [_item(campaign, state, why.get(state.prompt.id)) for state in listed], states


def _load_matches(session: Session, states: Sequence[PromptState]) -> None:
    """Read the works beside all audits at once; one by one, that would be most of the time."""
    ids = [state.audit.id for state in states if state.audit]
    works = selectinload(Audit.matches).selectinload(AuditMatch.reference)
    wanted = select(Audit).options(works, selectinload(Audit.nearest_reference)).where(among(Audit.id, ids))
    session.scalars(wanted.execution_options(populate_existing=True)).all()


def _kind(state: PromptState) -> Kind | None:
    """What there is to decide about a prompt; None for nothing."""
    if state.candidate is None:
        return None
    if state.decision is not None:
        return "waived" if state.decision == "waive" else "rejected"
    # One that is held back by a work that was not compared waits for a decision about that work.
    if state.audit is None or state.adherence is None or state.releasable or state.state == CandidateState.INCOMPLETE:
        return None
    if state.failing:
        return "redraw"
    if state.decided.waiting:
        return "agree"
    if state.decided.lapsed:
        return "lapsed"
    if state.audit.verdict != "pass":
        return {"fail": "copy", "review": "close"}.get(state.audit.verdict, "inconclusive")  # type: ignore[return-value]
    return "not_as_asked" if state.adherence.verdict == "not_as_asked" else "cannot_tell"


def _item(campaign: str, state: PromptState, held: Held | None) -> Item:
    candidate, audit, kind = state.candidate, state.audit, _kind(state)
    assert candidate is not None
    assert kind is not None
    work = audit.nearest_reference if audit else None
    made = state.decided.by or state.decided.waiting
    decided = f"{' and '.join(people(made))}: {made[-1].why}" if made else ""
    return Item(
        campaign=campaign,
        batch=state.prompt.batch_key,
        prompt_id=state.prompt.id,
        prompt=state.prompt.text,
        image_id=candidate.id,
        sha256=candidate.sha256,
        kind=kind,
        state=state.state if state.state != CandidateState.RELEASED else "released",
        verdict=audit.verdict if audit else None,
        adherence=state.adherence.verdict if state.adherence else None,
        why=held.why if held else "; ".join(audit.reasons) if audit else "",
        next_step=held.next_step if held else "",
        decided=decided,
        work=work.title if work else "",
        holder=work.rights_holder if work else "",
        seen=state.decided.newest.id if state.decided.newest else 0,
        evidence=_evidence(state),
    )


def _evidence(state: PromptState) -> tuple[float, ...]:
    """Sorts the strongest evidence of a copy first, and after that what shows its prompt least."""
    audit, adherence = state.audit, state.adherence
    if audit is None:
        return (9.0,)
    fired = max((len(triggered(match.scores, audit.thresholds)) for match in audit.matches), default=0)
    margin = adherence.score if adherence and adherence.score is not None else 0.0
    return severity(audit.verdict), -fired, -(audit.scores.get("iw_ssim") or 0.0), margin, state.prompt.id
