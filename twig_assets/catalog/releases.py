"""Releasing, signing and withdrawing an image: the row of the release, and an event of it that the ledger chains.

A release's row changes when it is withdrawn, so the ledger cannot chain it. Every change is an event that stays as it
is; `evidence.release_checks` compares the row with its events.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.among import among
from twig_assets.catalog.models import Release, ReleaseEvent, UnsignedImage, utc_now


@dataclass(frozen=True)
class PublishedFile:
    """The file that is published of a release, with its credential.

    Attributes:
        sha256: Of its bytes, by which the artifact store names it.
        credential: What it says, in a few fields; see `provenance.releasing`.
    """

    sha256: str
    credential: dict[str, Any] = field(default_factory=dict)


def release_image(
    session: Session, prompt_id: int, image_id: int, audit_id: int, file: PublishedFile | None = None
) -> Release:
    """Release an image on the strength of an audit; without a file, the picture itself is published.

    Args:
        session: An open session.
        prompt_id: Its prompt, no release of which stands.
        image_id: The image.
        audit_id: The audit.
        file: The file with its credential.
    """
    release = Release(prompt_id=prompt_id, image_id=image_id, audit_id=audit_id)
    session.add(release)
    session.flush()
    session.add(_event(release, "released", release.released_at, file=file))
    _forget_trouble(session, image_id)
    return release


def sign_release(session: Session, release: Release, file: PublishedFile) -> None:
    """Publish another file of a release that stands: one with a credential, or with a time stamp that came later."""
    session.add(_event(release, "signed", utc_now(), file=file))
    _forget_trouble(session, release.image_id)


def withdraw_release(session: Session, release: Release, reason: str) -> None:
    """End a release, with the reason."""
    release.withdrawn_at = utc_now()
    release.reason = reason
    session.flush()
    session.add(_event(release, "withdrawn", release.withdrawn_at, reason=reason))


def published_files(session: Session, release_ids: list[int]) -> dict[int, PublishedFile]:
    """Release id -> the file that is published of it, for those that have one with a credential: the newest one."""
    events = (
        select(ReleaseEvent)
        .where(among(ReleaseEvent.release_id, release_ids), ReleaseEvent.published_sha256.is_not(None))
        .order_by(ReleaseEvent.id)
    )
    return {
        event.release_id: PublishedFile(event.published_sha256 or "", event.credential)
        for event in session.scalars(events)
    }


def note_unsigned(session: Session, image_id: int, reason: str) -> None:
    """Note why an image cannot be signed, and therefore is not released; it is shown wherever it is held."""
    known = session.get(UnsignedImage, image_id)
    if known is None:
        session.add(UnsignedImage(image_id=image_id, reason=reason))
    elif known.reason != reason:
        known.reason, known.found_at = reason, utc_now()


def unsigned_reasons(session: Session, image_ids: list[int]) -> dict[int, str]:
    """Image id -> why it cannot be signed, for those of which that was noted."""
    rows = session.scalars(select(UnsignedImage).where(among(UnsignedImage.image_id, image_ids)))
    return {row.image_id: row.reason for row in rows}


def _event(
    release: Release, event: str, at: datetime, *, reason: str | None = None, file: PublishedFile | None = None
) -> ReleaseEvent:
    return ReleaseEvent(
        release_id=release.id,
        event=event,
        prompt_id=release.prompt_id,
        image_id=release.image_id,
        audit_id=release.audit_id,
        at=at,
        reason=reason,
        published_sha256=file.sha256 if file else None,
        credential=file.credential if file else {},
    )


def _forget_trouble(session: Session, image_id: int) -> None:
    if trouble := session.get(UnsignedImage, image_id):
        session.delete(trouble)
