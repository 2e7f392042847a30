"""Where a campaign stands: which batches need work, and which published images no longer comply.

A handful of queries reads the whole campaign, so that it stays quick with many images.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Audit, Image, Model, PolicyRow, Prompt, PromptBatch, Release
from twig_assets.compliance.decisions import standing_decisions
from twig_assets.compliance.state import CandidateState, candidate_state


@dataclass
class Survey:
    """A campaign under the rules in force; image ids by batch unless it says otherwise.

    Attributes:
        unjudged: Published images and candidates without a verdict under the policy and corpus in force.
        failing: Candidates that failed while their prompt has attempts left.
        quarantined: Candidates that failed on the last attempt.
        releasable: Candidates that may be published and are not.
        offending: Published images that may not be: release id, batch, and why.
        attempts: The highest attempt of a failing candidate, by batch.
    """

    unjudged: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    failing: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    quarantined: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    releasable: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    offending: list[tuple[int, str, str]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def survey(session: Session, campaign: str, rules: Rules) -> Survey:
    """Look at every published image and every candidate of a campaign.

    Args:
        session: An open session of the catalog.
        campaign: The campaign's name.
        rules: The rules in force.
    """
    decisions = _decisions(session, rules)
    result = Survey()
    published = _survey_published(session, campaign, rules, decisions, result)
    _survey_candidates(session, campaign, rules, decisions, published, result)
    return result


def _survey_published(
    session: Session, campaign: str, rules: Rules, decisions: dict[int, str], result: Survey
) -> dict[int, int]:
    """Add what the published images want; returns prompt id -> image id of each."""
    published: dict[int, int] = {}
    rows = session.execute(_published(campaign, rules))
    for release_id, prompt_id, image_id, attempt, batch, audit_id, verdict in rows:
        published[prompt_id] = image_id
        decision = decisions.get(audit_id)
        state = candidate_state(attempt, verdict, decision, released=True, max_attempts=rules.max_attempts)
        if state == CandidateState.UNAUDITED:
            result.unjudged[batch].append(image_id)
        elif not state.may_be_published:
            why = "rejected by a person" if decision == "reject" else verdict
            result.offending.append((release_id, batch, why))
    return published


def _survey_candidates(
    session: Session,
    campaign: str,
    rules: Rules,
    decisions: dict[int, str],
    published: dict[int, int],
    result: Survey,
) -> None:
    by_state = {
        CandidateState.UNAUDITED: result.unjudged,
        CandidateState.FAILED: result.failing,
        CandidateState.QUARANTINED: result.quarantined,
        CandidateState.RELEASABLE: result.releasable,
    }
    for prompt_id, image_id, attempt, batch, audit_id, verdict in session.execute(_candidates(campaign, rules)):
        released = published.get(prompt_id) == image_id
        decision = decisions.get(audit_id)
        state = candidate_state(attempt, verdict, decision, released=released, max_attempts=rules.max_attempts)
        if state == CandidateState.FAILED:
            result.attempts[batch] = max(result.attempts[batch], attempt)
        # A published image without a verdict has been listed with the published ones.
        if state in by_state and not (state == CandidateState.UNAUDITED and released):
            by_state[state][batch].append(image_id)


def _published(campaign: str, rules: Rules) -> Select[Any]:
    audit = _audit_in_force(rules)
    return (
        select(
            Release.id,
            Release.prompt_id,
            Release.image_id,
            Image.attempt,
            Prompt.batch_key,
            audit.c.id,
            audit.c.verdict,
        )
        .join(Image, Image.id == Release.image_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .outerjoin(audit, audit.c.image_id == Release.image_id)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_(None))
        .order_by(Release.id)
    )


def _candidates(campaign: str, rules: Rules) -> Select[Any]:
    """Every prompt's regenerated image of the highest attempt among those made under the rules in force."""
    counting = [and_(Image.attempt == n, Image.settings_sha256 == sha256) for n, sha256 in enumerate(rules.regenerated)]
    drawn = (
        select(Image.id, Image.prompt_id, Image.attempt)
        .join(Model)
        .where(Image.stage == "regenerated", Model.sha256 == rules.model_sha256, or_(*counting))
        .subquery()
    )
    last = select(drawn.c.prompt_id, func.max(drawn.c.attempt).label("attempt")).group_by(drawn.c.prompt_id).subquery()
    audit = _audit_in_force(rules)
    return (
        select(drawn.c.prompt_id, drawn.c.id, drawn.c.attempt, Prompt.batch_key, audit.c.id, audit.c.verdict)
        .join(last, and_(last.c.prompt_id == drawn.c.prompt_id, last.c.attempt == drawn.c.attempt))
        .join(Prompt, Prompt.id == drawn.c.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .outerjoin(audit, audit.c.image_id == drawn.c.id)
        .where(PromptBatch.campaign == campaign)
        .order_by(drawn.c.id)
    )


def _audit_in_force(rules: Rules) -> Any:
    """Every image's newest audit under the policy and corpus in force."""
    newest = (
        select(func.max(Audit.id))
        .join(PolicyRow)
        .where(PolicyRow.sha256 == rules.policy_sha256, Audit.corpus_version_id == rules.corpus_id)
        .group_by(Audit.image_id)
    )
    return select(Audit.id, Audit.image_id, Audit.verdict).where(Audit.id.in_(newest)).subquery()


def _decisions(session: Session, rules: Rules) -> dict[int, str]:
    """Audit id -> the newest decision that holds for it, for the audits that count."""
    policy = select(PolicyRow.id).where(PolicyRow.sha256 == rules.policy_sha256)
    standing = standing_decisions(session, Audit.policy_id.in_(policy), Audit.corpus_version_id == rules.corpus_id)
    return {audit_id: review.decision for audit_id, review in standing.items()}
