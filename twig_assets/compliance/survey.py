"""Where a campaign stands: which batches need work, and which published images no longer comply.

A handful of queries reads the whole campaign, so that it stays quick with many images.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import (
    Adherence,
    Audit,
    Image,
    Model,
    PolicyRow,
    Prompt,
    PromptBatch,
    RedrawRequest,
    Release,
)
from twig_assets.compliance.candidates import (
    audits_in_force,
    counting,
    judged_in_force,
    leaving_out_what_is_allowed,
    redraws_asked_for,
    state_under,
)
from twig_assets.compliance.decisions import decided, reviews_of
from twig_assets.compliance.state import CandidateState, Standing, why_not


@dataclass
class Survey:
    """A campaign under the rules in force; image ids by batch unless it says otherwise.

    Attributes:
        unjudged: Published images and candidates that lack a verdict in force, on their similarity or their adherence.
        failing: Candidates of prompts for which another attempt is due.
        quarantined: Candidates of prompts all of whose images failed, with no attempt left.
        rejected: Candidates that a person said no to, with no other attempt due.
        waiting: Candidates that a person has to decide about.
        releasable: Candidates that may be published and are not.
        offending: Published images that may not be: release id, batch, and why.
        attempts: The highest attempt of a prompt for which another is due, by batch.
    """

    unjudged: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    failing: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    quarantined: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    rejected: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    waiting: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
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
    decisions = _decisions(session, campaign, rules)
    result = Survey()
    candidates: Sequence[Any] = session.execute(_candidates(campaign, rules)).all()
    published, complying = _survey_published(session, campaign, rules, decisions, candidates, result)
    _survey_candidates(session, campaign, rules, decisions, candidates, published, complying, result)
    return result


def prompts_withdrawn(session: Session, campaign: str) -> int:
    """Prompts of a campaign of which something was published, and nothing is any more."""
    standing = select(Release.prompt_id).where(Release.withdrawn_at.is_(None))
    ended = (
        select(func.count(Release.prompt_id.distinct()))
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_not(None), Release.prompt_id.not_in(standing))
    )
    return session.scalar(ended) or 0


def _survey_published(
    session: Session,
    campaign: str,
    rules: Rules,
    decisions: dict[int, str],
    candidates: Sequence[Any],
    result: Survey,
) -> tuple[dict[int, int], set[int]]:
    """Add what the published images want; returns prompt id -> image id of each, and those that may stay published.

    Whether one may stay so follows from verdicts and decision alone, of which there are few kinds among many images.
    """
    releases = session.execute(_published(campaign)).all()
    judged = {row[2]: row[2:] for row in candidates}
    # Published before a change, and no candidate any more.
    others = {image_id for *_, image_id in releases} - judged.keys()
    judged.update({row[0]: row for row in session.execute(_of_images(others, campaign, rules))} if others else {})
    published: dict[int, int] = {}
    complying: set[int] = set()
    states: dict[tuple[Any, ...], CandidateState] = {}
    for release_id, prompt_id, batch, image_id in releases:
        published[prompt_id] = image_id
        _, _, verdict, _, adherence = judged[image_id]
        kind = verdict, adherence, decisions.get(image_id)
        if kind not in states:
            _, states[kind] = state_under(rules, [_standing(judged[image_id], decisions, published=True)])
        if states[kind] == CandidateState.UNAUDITED:
            result.unjudged[batch].append(image_id)
        elif states[kind] == CandidateState.RELEASED:
            complying.add(image_id)
        else:
            result.offending.append((release_id, batch, why_not(_standing(judged[image_id], decisions, True))))
    return published, complying


def _survey_candidates(
    session: Session,
    campaign: str,
    rules: Rules,
    decisions: dict[int, str],
    candidates: Sequence[Any],
    published: dict[int, int],
    complying: set[int],
    result: Survey,
) -> None:
    by_state = {
        CandidateState.UNAUDITED: result.unjudged,
        CandidateState.FAILED: result.failing,
        CandidateState.QUARANTINED: result.quarantined,
        CandidateState.REJECTED: result.rejected,
        CandidateState.REVIEW: result.waiting,
        CandidateState.RELEASABLE: result.releasable,
    }
    of_campaign = select(Prompt.id).join(PromptBatch).where(PromptBatch.campaign == campaign)
    asked = redraws_asked_for(session, RedrawRequest.prompt_id.in_(of_campaign))
    for (prompt_id, batch), rows in groupby(candidates, key=lambda row: (row[0], row[1])):
        released, images = published.get(prompt_id), list(rows)
        # What is published and may stay so is the candidate, whatever the prompt's other images are.
        if released in complying and any(image[2] == released for image in images):
            continue
        standings = [_standing(judged, decisions, published=judged[0] == released) for _, _, *judged in images]
        best, state = state_under(rules, standings, asked.get(prompt_id))
        if best is None:
            continue
        if state == CandidateState.FAILED:
            last = max(standing.attempt for standing in standings)
            result.attempts[batch] = max(result.attempts[batch], last)
        # A published image without a verdict has been listed with the published ones.
        if state in by_state and not (state == CandidateState.UNAUDITED and best.released):
            by_state[state][batch].append(best.image_id)


def _standing(judged: Sequence[Any], decisions: dict[int, str], published: bool) -> Standing:
    image_id, attempt, verdict, similarity, adherence = judged
    return Standing(image_id, attempt, verdict, adherence, decisions.get(image_id), similarity, published)


def _published(campaign: str) -> Select[int, int, str, int]:
    return (
        select(Release.id, Release.prompt_id, Prompt.batch_key, Release.image_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_(None))
        .order_by(Release.id)
    )


def _of_images(image_ids: Collection[int], campaign: str, rules: Rules) -> Select[Any]:
    """Some images, whatever made them."""
    audit, adherence = _audit_in_force(campaign, rules), _adherence_in_force(campaign, rules)
    return (
        select(*_judged(audit, adherence))
        .outerjoin(audit, audit.c.image_id == Image.id)
        .outerjoin(adherence, adherence.c.image_id == Image.id)
        .where(among(Image.id, image_ids))
    )


def _candidates(campaign: str, rules: Rules) -> Select[Any]:
    """Every image that may be a candidate, prompt by prompt."""
    audit, adherence = _audit_in_force(campaign, rules), _adherence_in_force(campaign, rules)
    return (
        select(Image.prompt_id, Prompt.batch_key, *_judged(audit, adherence))
        .join(Model, Model.id == Image.model_id)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .outerjoin(audit, audit.c.image_id == Image.id)
        .outerjoin(adherence, adherence.c.image_id == Image.id)
        .where(PromptBatch.campaign == campaign, counting(rules))
        .order_by(Image.prompt_id, Image.id)
    )


def _judged(audit: Any, adherence: Any) -> list[Any]:
    """The columns that `_standing` reads."""
    return [Image.id, Image.attempt, audit.c.verdict, audit.c.similarity, adherence.c.verdict]


def _images_of(campaign: str) -> Select[int]:
    """The ids of a campaign's images. Campaigns may share policy and judge, and each surveys its own images only."""
    return select(Image.id).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign)


def _audit_in_force(campaign: str, rules: Rules) -> Any:
    """Every image's newest audit under the policy and corpus in force."""
    newest = (
        select(func.max(Audit.id))
        .join(PolicyRow)
        .where(
            PolicyRow.sha256 == rules.policy_sha256,
            Audit.corpus_version_id == rules.corpus_id,
            leaving_out_what_is_allowed(rules),
            Audit.image_id.in_(_images_of(campaign)),
        )
        .group_by(Audit.image_id)
    )
    similarity = Audit.scores["ssim"].as_float().label("similarity")
    return select(Audit.image_id, Audit.verdict, similarity).where(Audit.id.in_(newest)).subquery()


def _adherence_in_force(campaign: str, rules: Rules) -> Any:
    """Every image's newest verdict by the judge and threshold in force."""
    newest = (
        select(func.max(Adherence.id))
        .where(judged_in_force(rules), Adherence.image_id.in_(_images_of(campaign)))
        .group_by(Adherence.image_id)
    )
    return select(Adherence.image_id, Adherence.verdict).where(Adherence.id.in_(newest)).subquery()


def _decisions(session: Session, campaign: str, rules: Rules) -> dict[int, str]:
    """Image id -> the decision that holds for it, for those that have one."""
    reviews = reviews_of(session, PromptBatch.campaign == campaign)
    audits = audits_in_force(session, reviews, rules)
    made = {i: decided(of_image, audits.get(i), rules.approvals).decision for i, of_image in reviews.items()}
    return {image_id: decision for image_id, decision in made.items() if decision}
