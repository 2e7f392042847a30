"""Is this cleared? Which release a file is, and what is known of it today."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import campaign_names, load_campaign
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.compliance.candidates import published_state, verdicts_in_force
from twig_assets.compliance.state import CandidateState, why_not
from twig_assets.desk.app import Desk
from twig_assets.desk.snapshot import rules_of
from twig_assets.similarity.corpus.decode import DecodeError, decode
from twig_assets.similarity.detectors.pdq import pdq_orientations

SAME_PICTURE = 31
"""Up to this distance in bits, PDQ's authors take two pictures for the same."""

Today = Literal["released", "to be withdrawn", "withdrawn", "never released"]


@dataclass(frozen=True)
class Known:
    """An image of the catalog that a file is, or is a copy of.

    Attributes:
        how: How it was recognised.
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


@dataclass(frozen=True)
class Status:
    """What the desk can say of a file.

    Attributes:
        sha256: Of the file.
        problem: Why nothing can be said; None for most.
        known: The images that it is, or is a copy of; empty for an unknown one.
    """

    sha256: str
    problem: str | None
    known: list[Known]

    @property
    def cleared(self) -> bool:
        """Whether it is one image of the catalog whose release stands and complies."""
        return bool(self.known) and all(one.today == "released" for one in self.known)


def status_of(desk: Desk, content: bytes) -> Status:
    """Recognise a file: byte for byte, by its pixels, or else by its PDQ fingerprint among everything ever released.

    Args:
        desk: The desk.
        content: The file.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with desk.catalog.snapshot() as session:
        exact = list(session.scalars(select(Image).where(Image.sha256 == sha256).order_by(Image.id)))
        if exact:
            return Status(sha256, None, [_known(desk, session, image, "the very file") for image in exact])
        try:
            pixels = decode(content).pixels
        except DecodeError as error:
            return Status(sha256, f"This file cannot be read as a picture: it {error}", [])
        found = [(distance, image) for image, distance in _nearest(desk, session, pixels)]
        known = [_known(desk, session, image, _how(distance)) for distance, image in sorted(found, key=lambda f: f[0])]
    return Status(sha256, None, known)


def _how(distance: int) -> str:
    if distance == 0:
        return "a file of its own with the same picture, by fingerprint (PDQ distance 0)"
    return (
        f"a copy, by fingerprint (PDQ distance {distance} of at most {SAME_PICTURE}); look at both before you trust it"
    )


def _nearest(desk: Desk, session: Session, pixels: np.ndarray) -> list[tuple[Image, int]]:
    """Images ever released whose fingerprint is that of the picture, in whatever orientation, and the distance."""
    released = list(session.scalars(select(Image).join(Release).distinct().order_by(Image.id)))
    codes = desk.fingerprints(released)
    if not len(codes):
        return []
    turned = pdq_orientations(pixels)
    differing = np.bitwise_count(turned[:, None] ^ codes[None]).sum(axis=2, dtype=np.int32).min(axis=0)
    return [(released[i], int(differing[i])) for i in np.flatnonzero(differing <= SAME_PICTURE)]


def _known(desk: Desk, session: Session, image: Image, how: str) -> Known:
    prompt: Prompt = image.prompt
    batch: PromptBatch = prompt.batch
    releases = list(session.scalars(select(Release).where(Release.image_id == image.id).order_by(Release.id)))
    standing = next((release for release in releases if release.withdrawn_at is None), None)
    today, why = _today(desk, session, image, standing, releases)
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


def _today(
    desk: Desk, session: Session, image: Image, standing: Release | None, releases: list[Release]
) -> tuple[Today, str]:
    if standing is None:
        if releases:
            return "withdrawn", releases[-1].reason or ""
        return "never released", "it was made, and not published"
    campaign = image.prompt.batch.campaign
    if campaign not in campaign_names(desk.root):
        return "to be withdrawn", f"the folder of its campaign, {campaign}, is gone, and its rules with it"
    rules: Rules = rules_of(session, load_campaign(campaign, desk.root))
    verdicts = verdicts_in_force(session, [image.id], rules)
    state = published_state(image, verdicts, standing, rules)
    if state == CandidateState.UNAUDITED:
        return "released", "it has no verdict under the policy and corpus of the day yet"
    if state.may_be_published:
        return "released", ""
    return "to be withdrawn", why_not(verdicts.standing(image, standing))
