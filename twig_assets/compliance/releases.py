"""Publishing what may be published of a batch, and withdrawing what no longer complies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from twig_assets.catalog.models import Release
from twig_assets.catalog.releases import (
    PublishedFile,
    note_unsigned,
    published_files,
    release_image,
    sign_release,
    withdraw_release,
)
from twig_assets.compliance.candidates import PromptState
from twig_assets.compliance.held import why_held
from twig_assets.compliance.state import CandidateState, release_terms


@dataclass(frozen=True)
class Signed:
    """What became of the files that were to be signed for a batch.

    Attributes:
        files: Image id -> the file with its credential.
        refused: Image id -> why it could not be signed.
        required: Whether nothing is released without a credential.
        warnings: What nobody could say of the certificate that signed.
    """

    files: Mapping[int, PublishedFile]
    refused: Mapping[int, str]
    required: bool = False
    warnings: Sequence[str] = ()


NOTHING_TO_SIGN = Signed({}, {})


@dataclass(frozen=True)
class Published:
    """What `publish` did with a batch.

    Attributes:
        released: Prompts whose candidate is published now.
        withdrawn: Prompts whose release was ended; their candidate may be published all the same.
        held: Prompts whose candidate is not published.
        unsigned: Those among them whose candidate may be published and could not be signed.
    """

    released: list[PromptState]
    withdrawn: list[PromptState]
    held: list[PromptState]
    unsigned: list[PromptState]

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


def publish(session: Session, states: list[PromptState], signed: Signed = NOTHING_TO_SIGN) -> Published:
    """Bring the releases of prompts in line with the verdicts in force and the decisions of people.

    Args:
        session: An open session of the catalog.
        states: The prompts, read in the same session.
        signed: The files that were signed for them. Where credentials are required, what has none is not released.
    """
    withdrawn = [state for state in states if _withdraw(session, state)]
    files = published_files(session, [state.release.id for state in states if state.release])
    released: list[PromptState] = []
    unsigned: list[PromptState] = []
    for state in [state for state in states if state.releasable]:
        stands = state.release if state not in withdrawn else None
        done = _release(session, state, stands, stands is not None and stands.id in files, signed)
        (released if done else unsigned).append(state)
    held = [state for state in states if not state.releasable]
    return Published(released, withdrawn, [*held, *unsigned], unsigned)


def _release(session: Session, state: PromptState, stands: Release | None, has_file: bool, signed: Signed) -> bool:
    """Release a candidate, or sign what stands; returns whether it is published."""
    if state.candidate is None or state.audit is None:
        return stands is not None
    image_id = state.candidate.id
    file, reason = signed.files.get(image_id), signed.refused.get(image_id)
    if reason is not None:
        note_unsigned(session, image_id, reason)
    if stands is not None:
        if file is not None and not has_file:
            sign_release(session, stands, file)
        return True
    if file is None and signed.required:
        return False
    release_image(session, state.prompt.id, image_id, state.audit.id, file)
    return True


def _withdraw(session: Session, state: PromptState) -> bool:
    """End the prompt's release if another image or a verdict speaks against it; without a verdict it stands."""
    release = state.release
    if release is None or state.candidate is None or state.state == CandidateState.UNAUDITED:
        return False
    same = release.image_id == state.candidate.id
    if same and state.releasable:
        return False
    withdraw_release(
        session, release, f"its image is now: {why_held(state)}" if same else "another image took its place"
    )
    return True
