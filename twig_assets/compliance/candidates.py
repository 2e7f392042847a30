"""Which attempt each prompt is at: the budget of reruns lives in the catalog, not in run tags.

A prompt's candidate is its regenerated image of the highest attempt. When the candidate fails its audit and nobody
waives that, the next attempt is due, until the budget is spent; then the prompt is quarantined.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Audit, Image, Mask, Model, PolicyRow, Prompt
from twig_assets.compliance.decisions import standing_decisions


@dataclass(frozen=True)
class PromptState:
    """Where a prompt stands under the present rules.

    Attributes:
        prompt: The prompt.
        attempt: The attempt to work on, from 0.
        candidate: The regenerated image of the highest attempt so far, if any.
        audit: The candidate's audit under the present policy and corpus, if any.
        decision: A person's last word on that audit: `waive`, `reject` or None.
        quarantined: Whether the budget is spent and the last candidate failed.
    """

    prompt: Prompt
    attempt: int
    candidate: Image | None
    audit: Audit | None
    decision: str | None
    quarantined: bool

    @property
    def failing(self) -> bool:
        """Whether the candidate failed and another attempt is due."""
        return _failed(self.audit, self.decision) and not self.quarantined

    @property
    def releasable(self) -> bool:
        """Whether the candidate may be published: it passed and nobody rejected it, or somebody waived its audit."""
        if self.audit is None:
            return False
        return self.decision == "waive" or (self.decision is None and self.audit.verdict == "pass")


def prompt_states(session: Session, batch_key: str, rules: Rules) -> list[PromptState]:
    """The state of every prompt of a batch, in order of position."""
    prompts = session.scalars(select(Prompt).where(Prompt.batch_key == batch_key).order_by(Prompt.position)).all()
    made = session.scalars(
        select(Image)
        .join(Model)
        .where(
            Image.prompt_id.in_([p.id for p in prompts]),
            Model.sha256 == rules.model_sha256,
            Image.stage == "regenerated",
        )
        .order_by(Image.attempt)
    )
    counting = (image for image in made if image.settings_sha256 == rules.regenerated[image.attempt])
    candidates = {image.prompt_id: image for image in counting}
    audits = present_audits(session, [image.id for image in candidates.values()], rules)
    decisions = last_decisions(session, [audit.id for audit in audits.values()])
    return [_state(prompt, candidates.get(prompt.id), audits, decisions, rules) for prompt in prompts]


def _state(
    prompt: Prompt, candidate: Image | None, audits: dict[int, Audit], decisions: dict[int, str], rules: Rules
) -> PromptState:
    if candidate is None:
        return PromptState(prompt, 0, None, None, None, quarantined=False)
    audit = audits.get(candidate.id)
    decision = decisions.get(audit.id) if audit else None
    failed = _failed(audit, decision)
    spent = failed and candidate.attempt + 1 >= rules.max_attempts
    attempt = candidate.attempt + 1 if failed and not spent else candidate.attempt
    return PromptState(prompt, attempt, candidate, audit, decision, quarantined=spent)


def _failed(audit: Audit | None, decision: str | None) -> bool:
    return audit is not None and audit.verdict == "fail" and decision != "waive"


def present_audits(session: Session, image_ids: Iterable[int], rules: Rules) -> dict[int, Audit]:
    """Image id -> its newest audit under the present policy and corpus, for those that have one."""
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


def last_decisions(session: Session, audit_ids: Iterable[int]) -> dict[int, str]:
    """Audit id -> the newest decision that holds for it, see `standing_decisions`, for those that have one."""
    standing = standing_decisions(session, Audit.id.in_(list(audit_ids)))
    return {audit_id: review.decision for audit_id, review in standing.items()}


def missing_images(session: Session, states: list[PromptState], stage: str, rules: Rules) -> list[PromptState]:
    """The states whose image of `stage` at their attempt is not there yet."""
    return [s for s in states if image_of(session, s.prompt.id, stage, s.attempt, rules) is None]


def image_of(session: Session, prompt_id: int, stage: str, attempt: int, rules: Rules) -> Image | None:
    """The image of a stage and attempt."""
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
    """The mask that a segmenter made of an image."""
    return session.scalars(select(Mask).where(Mask.image_id == image_id, Mask.segmenter == segmenter)).first()


def attempt_seed(seed: int, stage: str, attempt: int) -> int:
    """The seed of an image: the prompt's own for the first one, and one derived from it for every other."""
    if stage == "generated" and attempt == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{stage}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
