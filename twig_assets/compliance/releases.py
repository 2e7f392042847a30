"""Publishing what may be published of a batch, and withdrawing what no longer complies."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from twig_assets.catalog.models import Release, utc_now
from twig_assets.compliance.candidates import PromptState
from twig_assets.compliance.state import CandidateState


@dataclass(frozen=True)
class Published:
    """What `publish` did with a batch.

    Attributes:
        released: Prompts whose candidate is published now.
        withdrawn: Prompts whose release was ended; their candidate may be published all the same.
        held: Prompts whose candidate may not be published.
    """

    released: list[PromptState]
    withdrawn: list[PromptState]
    held: list[PromptState]


def publish(session: Session, states: list[PromptState]) -> Published:
    """Bring the releases of prompts in line with the verdicts in force and the decisions of people.

    Args:
        session: An open session of the catalog.
        states: The prompts, read in the same session.
    """
    withdrawn = [state for state in states if _withdraw(session, state)]
    released = [state for state in states if state.releasable]
    for state in released:
        if state.candidate and state.audit and (state.release is None or state in withdrawn):
            session.add(Release(prompt_id=state.prompt.id, image_id=state.candidate.id, audit_id=state.audit.id))
    return Published(released, withdrawn, [state for state in states if not state.releasable])


def why_held(state: PromptState) -> str:
    """Why a candidate may not be published, in a word or a few."""
    if state.quarantined:
        return "quarantined"
    if state.decision == "reject":
        return "rejected by a person"
    if state.audit is None:
        return "not audited"
    if state.audit.verdict != "pass":
        return state.audit.verdict
    return state.adherence.reason if state.adherence else "not judged"


def _withdraw(session: Session, state: PromptState) -> bool:
    """End the prompt's release if another image or a verdict speaks against it; without a verdict it stands."""
    release = state.release
    if release is None or state.candidate is None or state.state == CandidateState.UNAUDITED:
        return False
    same = release.image_id == state.candidate.id
    if same and state.releasable:
        return False
    release.withdrawn_at = utc_now()
    release.reason = f"its image is now: {why_held(state)}" if same else "another image took its place"
    session.flush()
    return True
