"""Why a prompt is not released, in one sentence, and what to do next: the same in report, terminal, checks and JSON."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Adherence, Audit, Image, Model
from twig_assets.catalog.releases import unsigned_reasons
from twig_assets.compliance.candidates import PromptState, audits_in_force, counting
from twig_assets.compliance.decisions import people
from twig_assets.compliance.state import CandidateState

_NAMED = 3


@dataclass(frozen=True)
class Held:
    """A prompt of which nothing is released, for a person.

    Attributes:
        why: Why, in one sentence without a full stop.
        next_step: What to do about it, with the command where there is one.
    """

    why: str
    next_step: str


def held(session: Session, campaign: str, states: Sequence[PromptState], rules: Rules) -> dict[int, Held]:
    """Prompt id -> why it is held and what to do next, for those whose candidate is not published.

    Args:
        session: An open session.
        campaign: The campaign's name, for the commands.
        states: The prompts.
        rules: The rules in force.
    """
    open_states = [state for state in states if state.state != CandidateState.RELEASED]
    copies = copied_works(session, [state.prompt.id for state in open_states], rules)
    unsigned = unsigned_reasons(session, [s.candidate.id for s in open_states if s.candidate and s.releasable])
    return {
        state.prompt.id: _unsigned(state, campaign, unsigned)
        or Held(why_held(state, copies.get(state.prompt.id, ()), rules.unread), next_step(state, campaign))
        for state in open_states
    }


def _unsigned(state: PromptState, campaign: str, reasons: Mapping[int, str]) -> Held | None:
    """What to say of a candidate that complies and could not be signed."""
    reason = reasons.get(state.candidate.id) if state.candidate else None
    if reason is None:
        return None
    step = f"mend that (`twig keys check` says whether it is mended); then `twig run --campaign {campaign}`"
    return Held(f"it complies, and cannot be signed: {reason}", step)


def copied_works(session: Session, prompt_ids: Iterable[int], rules: Rules) -> dict[int, list[str]]:
    """Prompt id -> titles of the works that its images, first ones among them, were found to be copies of."""
    drawn = (
        select(Image)
        .join(Model)
        .where(
            among(Image.prompt_id, prompt_ids),
            Model.sha256 == rules.model_sha256,
            or_(Image.stage == "generated", counting(rules)),
        )
        .order_by(Image.id)
    )
    prompt_of = {image.id: image.prompt_id for image in session.scalars(drawn)}
    titles: dict[int, dict[str, None]] = defaultdict(dict)
    for image_id, audit in audits_in_force(session, prompt_of, rules).items():
        if audit.verdict == "fail":
            titles[prompt_of[image_id]][_nearest(audit)] = None
    return {prompt_id: list(found) for prompt_id, found in titles.items()}


def why_held(state: PromptState, copied: Sequence[str] = (), unread: Sequence[str] = ()) -> str:
    """Why a prompt's candidate is not published, in one sentence without a full stop.

    Args:
        state: The prompt.
        copied: Titles of the works that its images were found to be copies of, as far as that is known.
        unread: Files of works that nothing was compared with, and that nobody accepted.
    """
    if state.candidate is None:
        return "nothing has been drawn yet"
    if state.decision == "reject" and state.decided.review is not None:
        return f"rejected by {state.decided.who}: {state.decided.review.why}"
    if state.audit is None or state.adherence is None:
        return "not audited yet" if state.audit is None else "nobody has judged yet whether it shows its prompt"
    if state.releasable:
        return "it complies, and is not released yet"
    if state.state == CandidateState.INCOMPLETE:
        return f"it complies, as far as it was compared; {not_compared(unread)}"
    why = _verdicts(state.audit, state.adherence, copied) + _undone(state)
    if state.failing:
        return f"to be drawn again: {why}"
    return f"all {state.attempts} attempts are spent: {why}" if state.quarantined and state.attempts > 1 else why


def not_compared(unread: Sequence[str]) -> str:
    """Which works hold releases back, in a clause."""
    if not unread:
        return "a work was not compared"
    more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
    works = "a work was" if len(unread) == 1 else f"{len(unread)} works were"
    return f"{works} not, or not wholly, compared: {', '.join(unread[:_NAMED])}{more}"


def accept_step(campaign: str) -> str:
    """What to do about works that were not compared."""
    accept = f"twig review --unread FILE --campaign {campaign} --who WHO --why WHY"
    return f"mend these files or take them out, or accept with `{accept}` that nothing is compared with them"


def next_step(state: PromptState, campaign: str) -> str:
    """What to do about a prompt whose candidate is not published."""
    image = state.candidate.sha256[:12] if state.candidate else ""
    let_through = f"twig review {image} --campaign {campaign} --who WHO --why WHY"
    match state.state:
        case CandidateState.INCOMPLETE:
            return accept_step(campaign)
        case CandidateState.REVIEW:
            return f"look at it, then let it through with `{let_through}`, or say no with the same and `--against`"
        case CandidateState.QUARANTINED:
            return f"other settings or another prompt draw it again; after a look, `{let_through}` lets it through"
        case CandidateState.REJECTED:
            return f"nothing, unless the decision was wrong: `{let_through}` and `--lift` takes it back"
        case _:
            return f"`twig run --campaign {campaign}` goes on with it"


def _undone(state: PromptState) -> str:
    """What became of waivers that do not let the candidate through."""
    if state.decided.waiting:
        return f"; let through by {' and '.join(people(state.decided.waiting))}, and more people have to agree"
    return "".join(f"; the waiver by {waiver.who} lapsed: {reason}" for waiver, reason in state.decided.lapsed[-1:])


def _verdicts(audit: Audit, adherence: Adherence, copied: Sequence[str]) -> str:
    """What the verdicts have against the candidate."""
    if audit.verdict != "pass":
        reasons = "; ".join(audit.reasons)
        said = {"fail": "too similar to a protected work", "review": "close to a protected work"}.get(audit.verdict)
        return f"{said or 'it cannot be compared'} ({reasons})"
    if adherence.verdict == "not_as_asked":
        return f"does not show its prompt ({adherence.reason})"
    unknown = adherence.reason.removeprefix("cannot tell: ")
    if copied:
        return (
            f"the model drew the protected work itself ({', '.join(copied)}); nothing else that it drew can be said to "
            f"show this prompt ({unknown})"
        )
    return f"nobody here can tell whether it shows its prompt ({unknown})"


def _nearest(audit: Audit) -> str:
    return audit.nearest_reference.title if audit.nearest_reference else "a work that is not named"
