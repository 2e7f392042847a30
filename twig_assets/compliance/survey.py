"""Where a campaign stands: which batches want work, and which published images no longer comply.

Everything is asked of the whole campaign in a handful of queries, so that it stays quick with many images.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, Image, Model, PolicyRow, Prompt, PromptBatch, Release
from twig_assets.compliance.candidates import Rules
from twig_assets.compliance.decisions import standing_decisions


@dataclass
class Survey:
    """A campaign under the present rules; image ids by batch unless it says otherwise.

    Attributes:
        unjudged: Published images and candidates without a verdict under the present policy and corpus.
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
    """Look at every published image and every candidate of a campaign."""
    found = Survey()
    decisions = _decisions(session, rules)
    published: dict[int, int] = {}
    for release_id, prompt_id, image_id, batch, audit_id, verdict in session.execute(_published(campaign, rules)):
        published[prompt_id] = image_id
        decision = decisions.get(audit_id)
        if verdict is None:
            found.unjudged[batch].append(image_id)
        elif decision == "reject":
            found.offending.append((release_id, batch, "rejected by a person"))
        elif verdict != "pass" and decision != "waive":
            found.offending.append((release_id, batch, verdict))
    for prompt_id, image_id, attempt, batch, audit_id, verdict in session.execute(_candidates(campaign, rules)):
        decision = decisions.get(audit_id)
        current = published.get(prompt_id) == image_id
        if verdict is None:
            if not current:
                found.unjudged[batch].append(image_id)
        elif verdict == "fail" and decision != "waive":
            left = attempt + 1 < rules.max_attempts
            (found.failing if left else found.quarantined)[batch].append(image_id)
            if left:
                found.attempts[batch] = max(found.attempts[batch], attempt)
        elif not current and (decision == "waive" or (verdict == "pass" and decision is None)):
            found.releasable[batch].append(image_id)
    return found


def _published(campaign: str, rules: Rules) -> Select[Any]:
    audit = _present_audit(rules)
    return (
        select(Release.id, Release.prompt_id, Release.image_id, Prompt.batch_key, audit.c.id, audit.c.verdict)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .outerjoin(audit, audit.c.image_id == Release.image_id)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_(None))
        .order_by(Release.id)
    )


def _candidates(campaign: str, rules: Rules) -> Select[Any]:
    """Every prompt's regenerated image of the highest attempt among those that the present rules make."""
    counting = [and_(Image.attempt == n, Image.settings_sha256 == sha256) for n, sha256 in enumerate(rules.regenerated)]
    made = (
        select(Image.id, Image.prompt_id, Image.attempt)
        .join(Model)
        .where(Image.stage == "regenerated", Model.sha256 == rules.model_sha256, or_(*counting))
        .subquery()
    )
    last = select(made.c.prompt_id, func.max(made.c.attempt).label("attempt")).group_by(made.c.prompt_id).subquery()
    audit = _present_audit(rules)
    return (
        select(made.c.prompt_id, made.c.id, made.c.attempt, Prompt.batch_key, audit.c.id, audit.c.verdict)
        .join(last, and_(last.c.prompt_id == made.c.prompt_id, last.c.attempt == made.c.attempt))
        .join(Prompt, Prompt.id == made.c.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .outerjoin(audit, audit.c.image_id == made.c.id)
        .where(PromptBatch.campaign == campaign)
        .order_by(made.c.id)
    )


def _present_audit(rules: Rules) -> Any:
    """Every image's newest audit under the present policy and corpus."""
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
