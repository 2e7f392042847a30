"""The candidate of every prompt, and the attempt that a batch has to work on.

A prompt's candidate is the best of all the images that it has under the rules in force, see `compliance.state`. When
none of them may be published and another draw may do better, the next attempt is due, until the campaign's attempts are
spent. The attempts are counted in the catalog, not in run tags.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Adherence, Audit, Image, Mask, Model, PolicyRow, Prompt, RedrawRequest, Release
from twig_assets.compliance.decisions import UNDECIDED, Decided, decided, reviews_of
from twig_assets.compliance.state import CandidateState, Standing, candidate_state


@dataclass(frozen=True)
class PromptState:
    """Where a prompt stands under the rules in force.

    Attributes:
        prompt: The prompt.
        state: The state of its candidate.
        candidate: The best of its images so far; None if there is none.
        audit: The candidate's newest audit under the policy and corpus in force; None if there is none.
        adherence: The candidate's newest verdict by the judge and threshold in force; None if there is none.
        decided: What people's decisions about the candidate come to.
        release: The release of the prompt that stands, of the candidate or of an earlier image; None if there is none.
        attempts: How many attempts have an image: one more than the highest attempt.
    """

    prompt: Prompt
    state: CandidateState
    candidate: Image | None
    audit: Audit | None
    adherence: Adherence | None
    decided: Decided
    release: Release | None
    attempts: int

    @property
    def attempt(self) -> int:
        """The attempt to work on, from 0: the candidate's, or the next one if another one is due."""
        if self.candidate is None:
            return 0
        return self.attempts if self.failing else self.candidate.attempt

    @property
    def decision(self) -> str | None:
        """The decision in a word: `waive`, `reject` or None."""
        return self.decided.decision

    @property
    def failing(self) -> bool:
        """Whether no image may be published and another attempt is due."""
        return self.state == CandidateState.FAILED

    @property
    def quarantined(self) -> bool:
        """Whether all images failed and all attempts are spent."""
        return self.state == CandidateState.QUARANTINED

    @property
    def releasable(self) -> bool:
        """Whether the candidate may be published, or is already."""
        return self.state.may_be_published


@dataclass(frozen=True)
class Verdicts:
    """The verdicts in force on some images.

    Attributes:
        audits: Image id -> its newest audit under the policy and corpus in force.
        adherence: Image id -> its newest verdict by the judge and threshold in force.
        decisions: Image id -> what people's decisions about it come to, for those about which there are any.
    """

    audits: dict[int, Audit]
    adherence: dict[int, Adherence]
    decisions: dict[int, Decided]

    def standing(self, image: Image, release: Release | None) -> Standing:
        """An image as `candidate_state` sees it; `release` is the one of its prompt that stands."""
        audit, adherence = self.audits.get(image.id), self.adherence.get(image.id)
        return Standing(
            image_id=image.id,
            attempt=image.attempt,
            verdict=audit.verdict if audit else None,
            adherence=adherence.verdict if adherence else None,
            decision=self.decided(image.id).decision,
            similarity=audit.scores.get("ssim") if audit else None,
            released=release is not None and release.image_id == image.id,
        )

    def decided(self, image_id: int) -> Decided:
        """What people's decisions about an image come to."""
        return self.decisions.get(image_id, UNDECIDED)


def verdicts_in_force(session: Session, image_ids: Iterable[int], rules: Rules) -> Verdicts:
    """The verdicts and decisions on images under the rules in force."""
    ids = list(image_ids)
    audits = audits_in_force(session, ids, rules)
    decisions = {
        image_id: decided(reviews, audits.get(image_id), rules.approvals)
        for image_id, reviews in reviews_of(session, among(Image.id, ids)).items()
    }
    return Verdicts(audits, adherence_in_force(session, ids, rules), decisions)


def prompt_states(session: Session, batch_key: str, rules: Rules) -> list[PromptState]:
    """The state of every prompt of a batch, in order of position."""
    prompts = session.scalars(select(Prompt).where(Prompt.batch_key == batch_key).order_by(Prompt.position)).all()
    prompt_ids = [prompt.id for prompt in prompts]
    drawn = select(Image).join(Model).where(among(Image.prompt_id, prompt_ids), counting(rules)).order_by(Image.id)
    images: dict[int, list[Image]] = defaultdict(list)
    for image in session.scalars(drawn):
        images[image.prompt_id].append(image)
    verdicts = verdicts_in_force(session, [image.id for drawn_for in images.values() for image in drawn_for], rules)
    standing = select(Release).where(among(Release.prompt_id, prompt_ids), Release.withdrawn_at.is_(None))
    releases = {release.prompt_id: release for release in session.scalars(standing)}
    asked = redraws_asked_for(session, among(RedrawRequest.prompt_id, prompt_ids))
    return [prompt_state(p, images[p.id], verdicts, releases.get(p.id), rules, asked.get(p.id)) for p in prompts]


def prompt_state(
    prompt: Prompt,
    images: Sequence[Image],
    verdicts: Verdicts,
    release: Release | None,
    rules: Rules,
    asked_for: int | None = None,
) -> PromptState:
    """The state of one prompt.

    Args:
        prompt: The prompt.
        images: Its images that may be candidates, see `counting`.
        verdicts: The verdicts in force on them.
        release: The release of the prompt that stands.
        rules: The rules in force.
        asked_for: The attempt that a person asked to be drawn besides; None where nobody did.
    """
    standings = [verdicts.standing(image, release) for image in images]
    best, state = state_under(rules, standings, asked_for)
    candidate = next((image for image in images if best and image.id == best.image_id), None)
    audit = verdicts.audits.get(candidate.id) if candidate else None
    return PromptState(
        prompt,
        state,
        candidate,
        audit,
        verdicts.adherence.get(candidate.id) if candidate else None,
        verdicts.decided(candidate.id) if candidate else UNDECIDED,
        release,
        attempts=max((image.attempt for image in images), default=-1) + 1,
    )


def state_under(
    rules: Rules, standings: Iterable[Standing], asked_for: int | None = None
) -> tuple[Standing | None, CandidateState]:
    """A prompt's candidate and its state under rules, see `candidate_state`."""
    return candidate_state(
        standings,
        cannot_tell=rules.cannot_tell,
        max_attempts=rules.max_attempts,
        lost_attempts=rules.lost_attempts,
        complete=rules.complete,
        asked_for=asked_for,
    )


def redraws_asked_for(session: Session, *which: ColumnElement[bool]) -> dict[int, int]:
    """Prompt id -> the highest attempt that a person asked to be drawn, for those of which somebody did.

    Args:
        session: An open session.
        which: Conditions on `RedrawRequest`.
    """
    highest = select(RedrawRequest.prompt_id, func.max(RedrawRequest.attempt)).where(*which)
    rows = session.execute(highest.group_by(RedrawRequest.prompt_id))
    return {prompt_id: int(attempt) for prompt_id, attempt in rows}


def counting(rules: Rules) -> ColumnElement[bool]:
    """A condition on `Image` and `Model`: the images that may be candidates under the rules in force."""
    drawn = [
        and_(Image.stage == "regenerated", Image.attempt == attempt, Image.settings_sha256 == sha256)
        for attempt, sha256 in enumerate(rules.regenerated)
    ]
    if rules.first_images:
        drawn.append(and_(Image.stage == "generated", Image.attempt == 0, Image.settings_sha256 == rules.generated))
    return and_(Model.sha256 == rules.model_sha256, or_(*drawn))


def published_state(image: Image, verdicts: Verdicts, release: Release, rules: Rules) -> CandidateState:
    """The state of a published image by itself, whatever other images its prompt has."""
    standing = [verdicts.standing(image, release)]
    return state_under(rules, standing)[1]


def image_state(session: Session, image: Image, rules: Rules) -> CandidateState | None:
    """The state of one image; None for one that is neither its prompt's candidate nor published."""
    [prompt] = [s for s in prompt_states(session, image.prompt.batch_key, rules) if s.prompt.id == image.prompt_id]
    if prompt.candidate is not None and prompt.candidate.id == image.id:
        return prompt.state
    if prompt.release is None or prompt.release.image_id != image.id:
        return None
    return published_state(image, verdicts_in_force(session, [image.id], rules), prompt.release, rules)


def audits_in_force(session: Session, image_ids: Iterable[int], rules: Rules) -> dict[int, Audit]:
    """Image id -> its newest audit under the policy and corpus in force, for those that have one."""
    audits = session.scalars(
        select(Audit)
        .join(PolicyRow)
        .where(
            among(Audit.image_id, image_ids),
            PolicyRow.sha256 == rules.policy_sha256,
            Audit.corpus_version_id == rules.corpus_id,
            leaving_out_what_is_allowed(rules),
        )
        .order_by(Audit.id)
    )
    return {audit.image_id: audit for audit in audits}


def leaving_out_what_is_allowed(rules: Rules) -> ColumnElement[bool]:
    """A condition on `Audit`: those beside all works as they are, and those without what is allowed today."""
    return or_(Audit.allowed.is_(None), among(Audit.allowed, rules.allowed))


def adherence_in_force(session: Session, image_ids: Iterable[int], rules: Rules) -> dict[int, Adherence]:
    """Image id -> its newest verdict by the judge and threshold in force, for those that have one."""
    verdicts = session.scalars(
        select(Adherence).where(among(Adherence.image_id, image_ids), judged_in_force(rules)).order_by(Adherence.id)
    )
    return {verdict.image_id: verdict for verdict in verdicts}


def judged_in_force(rules: Rules) -> ColumnElement[bool]:
    """A condition on `Adherence`: the verdicts by the judge and threshold in force."""
    return and_(Adherence.judge_sha256 == rules.judge_sha256, Adherence.threshold.is_not_distinct_from(rules.threshold))


def missing_images(session: Session, states: list[PromptState], stage: str, rules: Rules) -> list[PromptState]:
    """The prompts whose image of a stage at the attempt to work on is not there yet.

    All attempts of a prompt avoid the shape of the same first image, that of attempt 0.

    Args:
        session: An open session.
        states: The prompts.
        stage: `generated` or `regenerated`.
        rules: The rules in force.
    """
    attempts = [0 if stage == "generated" else s.attempt for s in states]
    return [s for s, n in zip(states, attempts, strict=True) if image_of(session, s.prompt.id, stage, n, rules) is None]


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
