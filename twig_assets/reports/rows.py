"""The rows that a report rests on, read a batch at a time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force, rules_under
from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, AuditMatch, Image, Mask, Model, Prompt, RedrawRequest, Release
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance.candidates import (
    PromptState,
    Verdicts,
    counting,
    prompt_state,
    published_state,
    redraws_asked_for,
    verdicts_in_force,
)
from twig_assets.compliance.held import Held, held
from twig_assets.compliance.state import CandidateState


@dataclass(frozen=True)
class BatchRows:
    """The rows of one batch that count under the rules in force, and whatever of it is or was published.

    Attributes:
        rules: The rules in force.
        prompts: In order of position.
        images: Prompt id -> its images that were made under the rules in force, in order of attempt and id.
        verdicts: The verdicts and decisions in force on all images, published ones of other rules among them.
        nearest: Audit id -> the comparison with the work nearest to its image.
        states: Prompt id -> its state.
        held: Prompt id -> why its candidate is not published, for those whose candidate is not.
        masks: Image id -> its newest mask.
        releases: Prompt id -> its release that stands.
        ended: Prompt id -> its releases that were withdrawn, the oldest first.
    """

    rules: Rules
    prompts: list[Prompt]
    images: dict[int, list[Image]]
    verdicts: Verdicts
    nearest: dict[int, AuditMatch]
    states: dict[int, PromptState]
    held: dict[int, Held]
    masks: dict[int, Mask]
    releases: dict[int, Release]
    ended: dict[int, list[Release]]

    def published_state(self, release: Release) -> CandidateState:
        """The state of a published image."""
        return published_state(release.image, self.verdicts, release, self.rules)


def read_batch(session: Session, campaign: str, key: str, rules: Rules) -> BatchRows:
    """Read what a report says of one batch.

    Args:
        session: An open session; nothing is written.
        campaign: The campaign's name.
        key: The batch's key.
        rules: The rules in force.
    """
    prompts = session.scalars(select(Prompt).where(Prompt.batch_key == key).order_by(Prompt.position)).all()
    of_batch = select(Prompt.id).where(Prompt.batch_key == key)
    drawn = select(Image).where(Image.prompt_id.in_(of_batch)).order_by(Image.attempt, Image.id)
    images: dict[int, list[Image]] = defaultdict(list)
    for image in session.scalars(drawn.options(joinedload(Image.model))):
        if _counts_now(image, rules):
            images[image.prompt_id].append(image)
    releases: dict[int, Release] = {}
    ended: dict[int, list[Release]] = defaultdict(list)
    made = select(Release).where(Release.prompt_id.in_(of_batch)).order_by(Release.id)
    for release in session.scalars(made.options(joinedload(Release.image))):
        if release.withdrawn_at is None:
            releases[release.prompt_id] = release
        else:
            ended[release.prompt_id].append(release)
    ids = {image.id for drawn_for in images.values() for image in drawn_for}
    ids |= {release.image_id for release in releases.values()}
    verdicts = verdicts_in_force(session, ids, rules)
    states = _states(session, prompts, images, verdicts, releases, rules)
    masks = select(Mask).where(among(Mask.image_id, ids)).order_by(Mask.id)
    return BatchRows(
        rules=rules,
        prompts=list(prompts),
        images=images,
        verdicts=verdicts,
        nearest=_nearest(session, [audit.id for audit in verdicts.audits.values()]),
        states=states,
        held=held(session, campaign, list(states.values()), rules),
        masks={mask.image_id: mask for mask in session.scalars(masks)},
        releases=releases,
        ended=ended,
    )


def rules_now(session: Session, campaign: Campaign) -> Rules:
    """The rules that the pipeline goes by now; before there is a model, those by which no image counts."""
    try:
        return rules_in_force(session, campaign)[1]
    except NotMaterializedError:
        return rules_under(session, campaign, model_sha256="")


def _nearest(session: Session, audit_ids: Sequence[int]) -> dict[int, AuditMatch]:
    matches = (
        select(AuditMatch)
        .join(Audit)
        .where(among(AuditMatch.audit_id, audit_ids), AuditMatch.reference_id == Audit.nearest_reference_id)
        .order_by(AuditMatch.rank.desc())
    )
    return {match.audit_id: match for match in session.scalars(matches)}


def _states(
    session: Session,
    prompts: Sequence[Prompt],
    images: dict[int, list[Image]],
    verdicts: Verdicts,
    releases: dict[int, Release],
    rules: Rules,
) -> dict[int, PromptState]:
    ids = [image.id for drawn_for in images.values() for image in drawn_for]
    candidates = set(session.scalars(select(Image.id).join(Model).where(among(Image.id, ids), counting(rules))))
    asked = redraws_asked_for(session, among(RedrawRequest.prompt_id, [p.id for p in prompts]))
    states = {}
    for p in prompts:
        of_prompt = [image for image in images.get(p.id, ()) if image.id in candidates]
        states[p.id] = prompt_state(p, of_prompt, verdicts, releases.get(p.id), rules, asked.get(p.id))
    return states


def _counts_now(image: Image, rules: Rules) -> bool:
    if image.model.sha256 != rules.model_sha256 or image.attempt >= len(rules.regenerated):
        return False
    return image.settings_sha256 == rules.settings_sha256(image.stage, image.attempt)
