"""The candidate of every prompt, and the attempt that a batch has to work on.

A prompt's candidate is its regenerated image of the highest attempt. When the candidate fails its audit and nobody
waives that, the next attempt is due, until the campaign's attempts are spent; then the prompt is quarantined. The
attempts are counted in the catalog, not in run tags.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Audit, Image, Mask, Model, PolicyRow, Prompt, Release, Review
from twig_assets.compliance.decisions import standing_decisions
from twig_assets.compliance.state import CandidateState, candidate_state


@dataclass(frozen=True)
class PromptState:
    """Where a prompt stands under the rules in force.

    Attributes:
        prompt: The prompt.
        state: The state of its candidate.
        candidate: The regenerated image of the highest attempt so far; None if there is none.
        audit: The candidate's newest audit under the policy and corpus in force; None if there is none.
        review: The newest decision of a person that holds for that audit; None if there is none.
        release: The release of the prompt that stands, of the candidate or of an earlier image; None if there is none.
    """

    prompt: Prompt
    state: CandidateState
    candidate: Image | None
    audit: Audit | None
    review: Review | None
    release: Release | None

    @property
    def attempt(self) -> int:
        """The attempt to work on, from 0: the candidate's, or the next one if the candidate failed."""
        if self.candidate is None:
            return 0
        return self.candidate.attempt + 1 if self.failing else self.candidate.attempt

    @property
    def decision(self) -> str | None:
        """The decision in a word: `waive`, `reject` or None."""
        return self.review.decision if self.review else None

    @property
    def failing(self) -> bool:
        """Whether the candidate failed and another attempt is due."""
        return self.state == CandidateState.FAILED

    @property
    def quarantined(self) -> bool:
        """Whether the candidate failed and all attempts are spent."""
        return self.state == CandidateState.QUARANTINED

    @property
    def releasable(self) -> bool:
        """Whether the candidate may be published, or is already."""
        return self.state.may_be_published


def prompt_states(session: Session, batch_key: str, rules: Rules) -> list[PromptState]:
    """The state of every prompt of a batch, in order of position."""
    prompts = session.scalars(select(Prompt).where(Prompt.batch_key == batch_key).order_by(Prompt.position)).all()
    prompt_ids = [prompt.id for prompt in prompts]
    images = session.scalars(
        select(Image)
        .join(Model)
        .where(Image.prompt_id.in_(prompt_ids), Model.sha256 == rules.model_sha256, Image.stage == "regenerated")
        .order_by(Image.attempt)
    )
    candidates = {
        image.prompt_id: image for image in images if image.settings_sha256 == rules.regenerated[image.attempt]
    }
    audits = audits_in_force(session, [image.id for image in candidates.values()], rules)
    reviews = standing_decisions(session, Audit.id.in_([audit.id for audit in audits.values()]))
    standing = select(Release).where(Release.prompt_id.in_(prompt_ids), Release.withdrawn_at.is_(None))
    releases = {release.prompt_id: release for release in session.scalars(standing)}
    states = []
    for prompt in prompts:
        candidate, release = candidates.get(prompt.id), releases.get(prompt.id)
        audit = audits.get(candidate.id) if candidate else None
        review = reviews.get(audit.id) if audit else None
        state = state_of(candidate, audit, review, release, rules.max_attempts)
        states.append(PromptState(prompt, state, candidate, audit, review, release))
    return states


def state_of(
    image: Image | None, audit: Audit | None, review: Review | None, release: Release | None, max_attempts: int
) -> CandidateState:
    """The state of a candidate, or of a published image; see `candidate_state`.

    Args:
        image: The image; None if there is none.
        audit: Its newest audit under the policy and corpus in force.
        review: The newest decision that holds for that audit.
        release: The release of its prompt that stands, perhaps of another image.
        max_attempts: How many attempts the campaign allows.
    """
    return candidate_state(
        image.attempt if image else None,
        audit.verdict if audit else None,
        review.decision if review else None,
        released=image is not None and release is not None and release.image_id == image.id,
        max_attempts=max_attempts,
    )


def image_state(session: Session, image: Image, rules: Rules) -> CandidateState | None:
    """The state of one image; None for one that is neither its prompt's candidate nor published."""
    [prompt] = [s for s in prompt_states(session, image.prompt.batch_key, rules) if s.prompt.id == image.prompt_id]
    if prompt.candidate is not None and prompt.candidate.id == image.id:
        return prompt.state
    if prompt.release is None or prompt.release.image_id != image.id:
        return None
    audit = audits_in_force(session, [image.id], rules).get(image.id)
    review = standing_decisions(session, Audit.id == audit.id).get(audit.id) if audit else None
    return state_of(image, audit, review, prompt.release, rules.max_attempts)


def audits_in_force(session: Session, image_ids: Iterable[int], rules: Rules) -> dict[int, Audit]:
    """Image id -> its newest audit under the policy and corpus in force, for those that have one."""
    audits = session.scalars(
        select(Audit)
        .join(PolicyRow)
        .where(
            Audit.image_id.in_(list(image_ids)),
            PolicyRow.sha256 == rules.policy_sha256,
            Audit.corpus_version_id == rules.corpus_id,
        )
        .order_by(Audit.id)
    )
    return {audit.image_id: audit for audit in audits}


def missing_images(session: Session, states: list[PromptState], stage: str, rules: Rules) -> list[PromptState]:
    """The prompts whose image of a stage at the attempt to work on is not there yet.

    Args:
        session: An open session.
        states: The prompts.
        stage: `generated` or `regenerated`.
        rules: The rules in force.
    """
    return [s for s in states if image_of(session, s.prompt.id, stage, s.attempt, rules) is None]


def image_of(session: Session, prompt_id: int, stage: str, attempt: int, rules: Rules) -> Image | None:
    """The image of a prompt's stage and attempt that was made under the rules in force; None if there is none."""
    return session.scalars(
        select(Image)
        .join(Model)
        .where(
            Image.prompt_id == prompt_id,
            Image.stage == stage,
            Image.attempt == attempt,
            Model.sha256 == rules.model_sha256,
            Image.settings_sha256 == rules.settings_sha256(stage, attempt),
        )
    ).first()


def mask_of(session: Session, image_id: int, segmenter: str) -> Mask | None:
    """The mask of an image by the segmenter of that name; None if there is none."""
    return session.scalars(select(Mask).where(Mask.image_id == image_id, Mask.segmenter == segmenter)).first()


def attempt_seed(seed: int, stage: str, attempt: int) -> int:
    """The seed of an image: the prompt's own for the first one, and one derived from it for every other.

    Args:
        seed: The prompt's seed.
        stage: `generated` or `regenerated`.
        attempt: From 0.
    """
    if stage == "generated" and attempt == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{stage}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
