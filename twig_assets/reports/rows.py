"""The rows of a campaign that a report rests on."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force, rules_under
from twig_assets.catalog.models import Image, Mask, Model, Prompt, PromptBatch, Reference, Release
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance.candidates import (
    PromptState,
    Verdicts,
    counting,
    prompt_state,
    published_state,
    verdicts_in_force,
)
from twig_assets.compliance.held import Held, held
from twig_assets.compliance.state import CandidateState


@dataclass(frozen=True)
class Rows:
    """The rows of one campaign that count under the rules in force, and whatever is published.

    Attributes:
        rules: The rules in force.
        prompts: In order of batch and position.
        images: Made under the rules in force, in order of attempt and id.
        published: Published images that were made under other rules.
        verdicts: The verdicts and decisions in force on all these images.
        states: Prompt id -> its state.
        held: Prompt id -> why its candidate is not published, for those whose candidate is not.
        masks: Image id -> its newest mask.
        releases: Prompt id -> its release that stands.
        references: All protected works that the campaign has had.
    """

    rules: Rules
    prompts: list[Prompt]
    images: list[Image]
    published: list[Image]
    verdicts: Verdicts
    states: dict[int, PromptState]
    held: dict[int, Held]
    masks: dict[int, Mask]
    releases: dict[int, Release]
    references: list[Reference]

    def of(self, prompt: Prompt) -> list[Image]:
        """The images of a prompt that count, first and second ones."""
        return [image for image in self.images if image.prompt_id == prompt.id]

    def published_state(self, release: Release) -> CandidateState:
        """The state of a published image."""
        return published_state(release.image, self.verdicts, release, self.rules)


def read_rows(session: Session, campaign: Campaign) -> Rows:
    """Read what the report of a campaign rests on; nothing is written."""
    rules = _rules_in_force(session, campaign)
    of_campaign = select(Prompt.id).join(PromptBatch).where(PromptBatch.campaign == campaign.name)
    prompts = session.scalars(
        select(Prompt).where(Prompt.id.in_(of_campaign)).order_by(Prompt.batch_key, Prompt.position)
    ).all()
    drawn = select(Image).where(Image.prompt_id.in_(of_campaign)).order_by(Image.attempt, Image.id)
    images = [image for image in session.scalars(drawn) if _counts_now(image, rules)]
    standing = select(Release).where(Release.prompt_id.in_(of_campaign), Release.withdrawn_at.is_(None))
    releases = {release.prompt_id: release for release in session.scalars(standing.order_by(Release.id))}
    known = {image.id for image in images}
    published = [release.image for release in releases.values() if release.image_id not in known]
    image_ids = [image.id for image in (*images, *published)]
    verdicts = verdicts_in_force(session, image_ids, rules)
    states = _states(session, prompts, images, verdicts, releases, rules)
    masks = select(Mask).where(Mask.image_id.in_(image_ids)).order_by(Mask.id)
    references = select(Reference).where(Reference.campaign == campaign.name).order_by(Reference.file)
    return Rows(
        rules=rules,
        prompts=list(prompts),
        images=images,
        published=published,
        verdicts=verdicts,
        states=states,
        held=held(session, campaign.name, list(states.values()), rules),
        masks={mask.image_id: mask for mask in session.scalars(masks)},
        releases=releases,
        references=list(session.scalars(references)),
    )


def _states(
    session: Session,
    prompts: Sequence[Prompt],
    images: Sequence[Image],
    verdicts: Verdicts,
    releases: dict[int, Release],
    rules: Rules,
) -> dict[int, PromptState]:
    ids = [image.id for image in images]
    candidates = set(session.scalars(select(Image.id).join(Model).where(Image.id.in_(ids), counting(rules))))
    mine: dict[int, list[Image]] = {prompt.id: [] for prompt in prompts}
    for image in images:
        if image.id in candidates:
            mine[image.prompt_id].append(image)
    return {p.id: prompt_state(p, mine[p.id], verdicts, releases.get(p.id), rules) for p in prompts}


def _rules_in_force(session: Session, campaign: Campaign) -> Rules:
    """The rules that the pipeline goes by now; before there is a model, those by which no image counts."""
    try:
        return rules_in_force(session, campaign)[1]
    except NotMaterializedError:
        return rules_under(session, campaign, model_sha256="")


def _counts_now(image: Image, rules: Rules) -> bool:
    if image.model.sha256 != rules.model_sha256 or image.attempt >= len(rules.regenerated):
        return False
    return image.settings_sha256 == rules.settings_sha256(image.stage, image.attempt)
