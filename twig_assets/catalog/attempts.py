"""Which attempt each prompt is at: the budget of reruns lives in the catalog, not in run tags.

A prompt's candidate is its regenerated image of the highest attempt. When the candidate's newest audit fails, the
next attempt is due, until the budget is spent; then the prompt is quarantined.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, Image, Mask, Model, Prompt


@dataclass(frozen=True)
class PromptState:
    """Where a prompt stands under one model.

    Attributes:
        prompt: The prompt.
        attempt: The attempt to work on, from 0.
        candidate: The regenerated image of the highest attempt so far, if any.
        audit: The candidate's newest audit, if any.
        quarantined: Whether the budget is spent and the last candidate failed.
    """

    prompt: Prompt
    attempt: int
    candidate: Image | None
    audit: Audit | None
    quarantined: bool

    @property
    def failing(self) -> bool:
        """Whether the candidate failed and another attempt is due."""
        return self.audit is not None and self.audit.verdict == "fail" and not self.quarantined


def prompt_states(session: Session, batch_key: str, model_sha256: str, max_attempts: int) -> list[PromptState]:
    """The state of every prompt of a batch, in order of position."""
    prompts = session.scalars(select(Prompt).where(Prompt.batch_key == batch_key).order_by(Prompt.position)).all()
    images = session.scalars(
        select(Image).join(Model).where(
            Image.prompt_id.in_([p.id for p in prompts]), Model.sha256 == model_sha256, Image.stage == "regenerated"
        ).order_by(Image.attempt, Image.id)
    ).all()  # fmt: skip
    candidates = {image.prompt_id: image for image in images}
    audits = newest_audits(session, [image.id for image in candidates.values()])
    states = []
    for prompt in prompts:
        candidate = candidates.get(prompt.id)
        audit = audits.get(candidate.id) if candidate else None
        failed = audit is not None and audit.verdict == "fail"
        made = candidate.attempt if candidate else 0
        spent = failed and made + 1 >= max_attempts
        states.append(PromptState(prompt, made + 1 if failed and not spent else made, candidate, audit, spent))
    return states


def newest_audits(session: Session, image_ids: Iterable[int]) -> dict[int, Audit]:
    """Image id -> its newest audit, for those that have one."""
    newest = select(func.max(Audit.id)).where(Audit.image_id.in_(list(image_ids))).group_by(Audit.image_id)
    return {audit.image_id: audit for audit in session.scalars(select(Audit).where(Audit.id.in_(newest)))}


def missing_images(
    session: Session, states: list[PromptState], stage: str, model_sha256: str, settings_sha256: dict[int, str]
) -> list[PromptState]:
    """The states whose image of `stage` at their attempt is not there yet under the settings of that attempt."""
    there = session.execute(
        select(Image.prompt_id, Image.attempt, Image.settings_sha256).join(Model).where(
            Image.prompt_id.in_([s.prompt.id for s in states]), Model.sha256 == model_sha256, Image.stage == stage
        )
    ).all()  # fmt: skip
    found = {tuple(row) for row in there}
    return [s for s in states if (s.prompt.id, s.attempt, settings_sha256[s.attempt]) not in found]


def newest_image(session: Session, prompt_id: int, stage: str, attempt: int, model_sha256: str) -> Image | None:
    """The image of a stage and attempt under a model; the newest where settings have changed in between."""
    return session.scalars(
        select(Image).join(Model).where(
            Image.prompt_id == prompt_id, Image.stage == stage, Image.attempt == attempt, Model.sha256 == model_sha256
        ).order_by(Image.id.desc()).limit(1)
    ).first()  # fmt: skip


def mask_of(session: Session, image_id: int, segmenter: str) -> Mask | None:
    """The mask that a segmenter made of an image."""
    return session.scalars(select(Mask).where(Mask.image_id == image_id, Mask.segmenter == segmenter)).first()


def attempt_seed(seed: int, stage: str, attempt: int) -> int:
    """The seed of an image: the prompt's own for the first one, and one derived from it for every other."""
    if stage == "generated" and attempt == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{stage}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
