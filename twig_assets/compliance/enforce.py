"""Bring what is published in line with the rules in force, and say which batches need a run."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force, rules_under
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Adherence, Audit, Release
from twig_assets.catalog.releases import withdraw_release
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance.adherence import rejudge_adherence
from twig_assets.compliance.candidates import adherence_in_force, audits_in_force
from twig_assets.compliance.rejudge import rejudge
from twig_assets.compliance.survey import Survey, survey
from twig_assets.similarity import read_policy

Work = Literal["redraw", "audit", "release"]


@dataclass(frozen=True)
class Withdrawn:
    """A published image that was withdrawn, and why."""

    batch: str
    prompt: str
    image_sha256: str
    why: str


@dataclass(frozen=True)
class Due:
    """What a batch needs.

    Attributes:
        batch: Its key.
        work: `redraw` failing images with new seeds, `audit` images without a verdict, or `release` what may be.
        images: How many images need it.
        attempt: The attempt that a redraw makes, from 1; 0 for other work.
        state: Hash of the images concerned and the rules; equal as long as no progress is made.
    """

    batch: str
    work: Work
    images: int
    attempt: int
    state: str


@dataclass(frozen=True)
class Enforced:
    """What `enforce` found and did.

    Attributes:
        rejudged: Verdicts given by stored scores, since the policy has changed.
        failed: How many of these failed.
        withdrawn: Published images that were withdrawn.
        due: Batches that need a run, in order of key.
        quarantined: Batch key -> prompts whose attempts are spent.
        left: How many images without a verdict are left for the next call.
    """

    rejudged: int
    failed: int
    withdrawn: list[Withdrawn]
    due: list[Due]
    quarantined: dict[str, int]
    left: int


def enforce(session: Session, campaign: Campaign, by: str, limit: int = 2000) -> Enforced:
    """Judge by stored scores what has no verdict under the policy in force, and withdraw what no longer complies.

    It commits nothing itself. A second call right after it finds nothing to do.

    Args:
        session: An open session of the catalog.
        campaign: The campaign whose images are judged.
        by: Written as the author of new verdicts.
        limit: The most images to judge in one call.

    Raises:
        PolicyError: If the campaign's policy cannot be read.
    """
    try:
        rules = rules_in_force(session, campaign)[1]
    except NotMaterializedError:
        # No image is a candidate without a model, but what is published still has to comply.
        rules = rules_under(session, campaign, model_sha256="")
    surveyed = survey(session, campaign.name, rules)
    waiting = [image for images in surveyed.unjudged.values() for image in images]
    judged, compared = _rejudged(session, campaign, rules, waiting[:limit], by)
    surveyed = survey(session, campaign.name, rules) if judged or compared else surveyed
    withdrawn = [_withdraw(session, *offending) for offending in surveyed.offending]
    left = max(0, len(waiting) - limit)
    return Enforced(
        rejudged=len(judged) + len(compared),
        failed=sum(audit.verdict == "fail" for audit in judged),
        withdrawn=withdrawn,
        due=[] if left else _due(surveyed, rules),
        quarantined={batch: len(images) for batch, images in sorted(surveyed.quarantined.items())},
        left=left,
    )


def _rejudged(
    session: Session, campaign: Campaign, rules: Rules, image_ids: list[int], by: str
) -> tuple[list[Audit], list[Adherence]]:
    """Judge images by stored scores, where they lack a verdict on their similarity or on their adherence."""
    if not image_ids:
        return [], []
    audited, compared = audits_in_force(session, image_ids, rules), adherence_in_force(session, image_ids, rules)
    audits: list[Audit] = []
    if rules.corpus_id is not None:
        unaudited = [image_id for image_id in image_ids if image_id not in audited]
        audits = rejudge(session, unaudited, read_policy(campaign.policy_file), rules.corpus_id, by)
    unjudged = [image_id for image_id in image_ids if image_id not in compared]
    return audits, rejudge_adherence(session, unjudged, rules, by)


def _withdraw(session: Session, release_id: int, batch: str, why: str) -> Withdrawn:
    release = session.get_one(Release, release_id)
    withdraw_release(session, release, f"its image is now: {why}")
    return Withdrawn(batch, release.prompt.text, release.image.sha256, why)


def _due(surveyed: Survey, rules: Rules) -> list[Due]:
    """One kind of work per batch: a run does all of it, and the first kind says why it is needed."""
    kinds: list[tuple[Work, dict[str, list[int]]]] = [
        ("redraw", surveyed.failing),
        ("audit", surveyed.unjudged if rules.corpus_id is not None else {}),
        ("release", surveyed.releasable),
    ]
    in_force = [rules.policy_sha256, rules.corpus_id, rules.model_sha256, rules.judge_sha256, rules.threshold]
    in_force += rules.unread
    due: dict[str, Due] = {}
    for work, batches in kinds:
        for batch, images in batches.items():
            attempt = surveyed.attempts[batch] + 1 if work == "redraw" else 0
            state = sha256_of([work, batch, sorted(images), *in_force])
            due.setdefault(batch, Due(batch, work, len(images), attempt, state))
    return [due[batch] for batch in sorted(due)]
