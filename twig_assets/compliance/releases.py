"""Publishing what may be published of a batch, and withdrawing what no longer complies."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy.orm import Session

from twig_assets.catalog.models import Release, utc_now
from twig_assets.compliance.candidates import PromptState
from twig_assets.compliance.held import why_held
from twig_assets.compliance.state import CandidateState, release_terms


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

    def headline(self) -> dict[str, int]:
        """How many prompts were asked for, and what became of them."""
        terms = Counter(
            release_terms(s.state, s.decision, s.adherence.verdict if s.adherence else None) for s in self.released
        )
        states = Counter(state.state for state in self.held)
        return {
            "asked": len(self.released) + len(self.held),
            "released": len(self.released),
            "released_as_asked": terms["as_asked"],
            "released_waived": terms["waived"],
            "released_cannot_tell": terms["cannot_tell"],
            "waiting": states[CandidateState.REVIEW] + states[CandidateState.INCOMPLETE],
            "withheld": states[CandidateState.QUARANTINED] + states[CandidateState.REJECTED],
        }


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
