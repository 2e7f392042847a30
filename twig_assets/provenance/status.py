"""What is known of an image of the catalog today: whether its release stands, or why it does not."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import campaign_names, load_campaign
from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.compliance.candidates import published_state, verdicts_in_force
from twig_assets.compliance.state import CandidateState, why_not

Today = Literal["released", "to be withdrawn", "withdrawn", "superseded", "never released"]


@dataclass(frozen=True)
class Known:
    """An image of the catalog that a file is, or is a copy of.

    Attributes:
        how: How it was recognised, and how surely.
        campaign: Its campaign.
        prompt: Its prompt.
        key: Its address on the desk below its campaign.
        sha256: Of the catalog's file.
        today: Its status.
        why: Why it was or has to be withdrawn, or is not released; empty where it is released and complies.
        released_at: When it was released; None where it never was.
        withdrawn_at: When it was withdrawn; None where it was not.
    """

    how: str
    campaign: str
    prompt: str
    key: str
    sha256: str
    today: Today
    why: str
    released_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def sentence(self) -> str:
        """What became of it, with the day, for a person."""
        at = self.withdrawn_at if self.today in ("withdrawn", "superseded") else self.released_at
        when = f" on {at.strftime('%Y-%m-%d %H:%M UTC')}" if at and self.today != "to be withdrawn" else ""
        return f"{self.today}{when}{f': {self.why}' if self.why else ''}"


def known_images(session: Session, root: Path, sha256: str, how: str) -> list[Known]:
    """What is known of all images of the catalog with this file; the same picture may be drawn for two prompts.

    Args:
        session: An open session.
        root: The folder that holds the campaigns.
        sha256: Of the image's file.
        how: See `Known`.
    """
    images = session.scalars(select(Image).where(Image.sha256 == sha256).order_by(Image.id))
    return [_known(session, root, image, how) for image in images]


def _known(session: Session, root: Path, image: Image, how: str) -> Known:
    prompt: Prompt = image.prompt
    batch: PromptBatch = prompt.batch
    releases = list(session.scalars(select(Release).where(Release.image_id == image.id).order_by(Release.id)))
    today, why = _today(session, root, image, releases)
    newest = releases[-1] if releases else None
    return Known(
        how=how,
        campaign=batch.campaign,
        prompt=prompt.text,
        key=f"{prompt.id}-{image.sha256[:16]}",
        sha256=image.sha256,
        today=today,
        why=why,
        released_at=newest.released_at if newest else None,
        withdrawn_at=newest.withdrawn_at if newest else None,
    )


def _today(session: Session, root: Path, image: Image, releases: list[Release]) -> tuple[Today, str]:
    standing = next((release for release in releases if release.withdrawn_at is None), None)
    if standing is None:
        return _not_standing(session, image, releases)
    campaign = image.prompt.batch.campaign
    if campaign not in campaign_names(root):
        return (
            "to be withdrawn",
            f"its release stands, but the rules of its campaign cannot be read: no {campaign} in {root}",
        )
    rules = rules_of(session, load_campaign(campaign, root))
    verdicts = verdicts_in_force(session, [image.id], rules)
    state = published_state(image, verdicts, standing, rules)
    if state == CandidateState.UNAUDITED:
        return "released", "it has no verdict under the policy and corpus of the day yet"
    if state.may_be_published:
        return "released", ""
    return "to be withdrawn", why_not(verdicts.standing(image, standing))


def _not_standing(session: Session, image: Image, releases: list[Release]) -> tuple[Today, str]:
    if not releases:
        return "never released", "it was made, and not published"
    another = session.scalars(
        select(Release).where(Release.prompt_id == image.prompt_id, Release.withdrawn_at.is_(None))
    ).first()
    if another is None:
        return "withdrawn", releases[-1].reason or ""
    return (
        "superseded",
        f"image {another.image.sha256[:16]} took its place ({releases[-1].reason or 'no reason given'})",
    )
