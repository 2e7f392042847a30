"""The rules in force, from the campaign's files: the model, the settings of its images, the policy and the corpus."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import MAX_ATTEMPTS, Campaign
from twig_assets.campaign.unread_works import unread_works
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Image, JudgeCalibration, Model, Prompt, PromptBatch
from twig_assets.catalog.serving import NotMaterializedError, current_corpus, serving_model
from twig_assets.judge.identity import judge_sha256
from twig_assets.judge.verdict import knows_the_model, threshold_of
from twig_assets.settings.adherence import AdherenceSettings
from twig_assets.settings.decisions import DecisionSettings
from twig_assets.settings.watermark import WatermarkSettings
from twig_assets.similarity import read_part, read_policy


@dataclass(frozen=True)
class Rules:
    """What images and audits have to be made with to count. Those made otherwise stay in the catalog and do not count.

    So everything is as it was when a setting, the policy or the corpus is changed and changed back.

    Attributes:
        model_sha256: Fingerprint of the model that serves.
        generated: Hash of the settings of first images.
        regenerated: Hash of the settings of second images, for every attempt that a campaign may allow.
        max_attempts: How many attempts this campaign allows.
        policy_sha256: Hash of the policy in force.
        corpus_id: The corpus version in force; None before there is one.
        judge_sha256: Fingerprint of the judge of adherence.
        threshold: From which margin on the judge takes an image to be as asked; None before it is calibrated.
        cannot_tell: Whether images are released whose prompts the judge does not know.
        first_images: Whether a first image may be a candidate.
        lost_attempts: How many images that pass may fail to show their prompt before no other attempt is due.
        approvals: How many different people have to let an image through.
        unread: Files of the corpus that nothing is compared with and that nobody accepted: they hold releases back.
    """

    model_sha256: str
    generated: str
    regenerated: tuple[str, ...]
    max_attempts: int
    policy_sha256: str
    corpus_id: int | None
    judge_sha256: str
    threshold: float | None
    cannot_tell: bool = False
    first_images: bool = False
    lost_attempts: int = 3
    approvals: int = 1
    unread: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every work was compared, or does not have to be."""
        return not self.unread

    def settings_sha256(self, stage: str, attempt: int) -> str:
        """Hash of the settings of the images of a stage and attempt."""
        return self.generated if stage == "generated" else self.regenerated[attempt]


def rules_in_force(session: Session, campaign: Campaign) -> tuple[Model, Rules]:
    """The model that serves and the rules by which images and audits count.

    Raises:
        NotMaterializedError: If `composed_model` has not been made from the edits of now.
        PolicyError: If the campaign's policy cannot be read.
    """
    model = serving_model(session, campaign.name, campaign.model_name)
    return model, rules_under(session, campaign, model.sha256)


def rules_of(session: Session, campaign: Campaign) -> Rules:
    """The rules in force; before there is a model, those by which no image counts."""
    try:
        return rules_in_force(session, campaign)[1]
    except NotMaterializedError:
        return rules_under(session, campaign, model_sha256="")


def rules_under(session: Session, campaign: Campaign, model_sha256: str) -> Rules:
    """The rules in force for images of a given model; with an empty hash no image counts."""
    try:
        corpus_id = current_corpus(session, campaign.name).id
    except NotMaterializedError:
        corpus_id = None
    judge = judge_sha256(campaign.chosen_judge, campaign.folder)
    adherence = read_part(campaign.policy_file, AdherenceSettings)
    return Rules(
        model_sha256=model_sha256,
        generated=sha256_of(generated_settings(campaign)),
        regenerated=tuple(sha256_of(regenerated_settings(campaign, attempt)) for attempt in range(MAX_ATTEMPTS)),
        max_attempts=campaign.max_attempts,
        policy_sha256=read_policy(campaign.policy_file).sha256,
        corpus_id=corpus_id,
        judge_sha256=judge,
        threshold=_threshold(session, campaign, adherence, judge, model_sha256),
        cannot_tell=adherence.release_cannot_tell,
        first_images=adherence.first_images,
        lost_attempts=adherence.lost_attempts,
        approvals=read_part(campaign.policy_file, DecisionSettings).approvals,
        unread=tuple(work.file for work in unread_works(session, campaign) if work.accepted is None),
    )


def _threshold(
    session: Session, campaign: Campaign, settings: AdherenceSettings, judge: str, model_sha256: str
) -> float | None:
    """The margin that the settings name, or the quantile of what the judge gave plain draws of the checkpoint.

    None where there are no draws yet, or judge and checkpoint do not know each other.

    While no model serves, it is that of the model that drew last, so that what is published keeps its verdict.
    """
    if settings.threshold is not None:
        return settings.threshold
    last = (
        select(Image.model_id)
        .join(Prompt)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign.name)
        .order_by(Image.id.desc())
        .limit(1)
    )
    margins = session.scalars(
        select(JudgeCalibration.margins)
        .join(Model, Model.base_sha256 == JudgeCalibration.base_sha256)
        .where(
            JudgeCalibration.judge_sha256 == judge,
            Model.sha256 == model_sha256 if model_sha256 else Model.id == last.scalar_subquery(),
        )
    ).first()
    return threshold_of(margins, settings.reject_share) if margins and knows_the_model(margins) else None


def calibration_source(session: Session, rules: Rules) -> str | None:
    """The plain draws that the judge's threshold rests on, for people; None where there are none yet."""
    return session.scalars(
        select(JudgeCalibration.source)
        .join(Model, Model.base_sha256 == JudgeCalibration.base_sha256)
        .where(JudgeCalibration.judge_sha256 == rules.judge_sha256, Model.sha256 == rules.model_sha256)
    ).first()


def generated_settings(campaign: Campaign) -> dict[str, Any]:
    """Everything that a first image depends on, except model, prompt and seed.

    A watermark is a part of it only where the policy asks for one always: then images without it do not count.
    """
    generation = {"generation": campaign.generation.model_dump(mode="json")}
    watermark = read_part(campaign.policy_file, WatermarkSettings) if campaign.policy_file.exists() else None
    if watermark is None or watermark.use != "always":
        return generation
    return generation | {"watermark": watermark.model_dump(mode="json")}


def regenerated_settings(campaign: Campaign, attempt: int) -> dict[str, Any]:
    """The same for a second image of an attempt, from 0.

    Why there is an attempt changes how it is drawn, and is no part of this: it is known only when the image is drawn.
    """
    return {
        **generated_settings(campaign),
        "regeneration": campaign.regeneration.model_dump(mode="json"),
        "attempt": attempt,
        "segmenter": segmenter_name(campaign),
    }


def segmenter_name(campaign: Campaign) -> str:
    """The name of the segmenter with its settings, so that a mask made otherwise counts as missing."""
    settings = {
        "segmenter": campaign.segmenter.model_dump(mode="json"),
        "settings": campaign.segmentation.model_dump(mode="json"),
        "masks": campaign.masks.model_dump(mode="json"),
    }
    return f"{campaign.segmenter.kind}:{sha256_of(settings)[:12]}"
