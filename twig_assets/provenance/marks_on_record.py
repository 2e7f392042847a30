"""The marks that this installation has written: into the images of campaigns, and into files without one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import MarkedFile
from twig_assets.catalog.models import Watermark as WatermarkRow
from twig_assets.provenance.watermark import Watermark


@dataclass
class Bearers:
    """Who has a payload: images of campaigns, and files that were marked without one."""

    images: list[WatermarkRow] = field(default_factory=list)
    files: list[MarkedFile] = field(default_factory=list)


@dataclass(frozen=True)
class MarkedHere:
    """A file that was marked here without a campaign, and so without an audit.

    Attributes:
        name: Its name then.
        sha256: Of its bytes then.
        command: `mark` or `generate`.
        payload: The number that was written into its pixels, in hex; None where it kept another one, or has none.
        at: When.
    """

    name: str
    sha256: str
    command: str
    payload: str | None
    at: datetime

    @property
    def sentence(self) -> str:
        """The same for a person."""
        when = self.at.strftime("%Y-%m-%d %H:%M UTC")
        return f"`twig {self.command}` marked it here as {self.name!r} on {when}; that is no release, and no audit."


def bearers(session: Session, watermark: Watermark, image_sha256: str | None = None) -> dict[bytes, Bearers]:
    """Payload -> who has it, of one watermark.

    Args:
        session: An open session.
        watermark: The construction and its key.
        image_sha256: To ask about the images with this file only.
    """
    found: dict[bytes, Bearers] = {}
    images = select(WatermarkRow).where(
        WatermarkRow.method == watermark.method, WatermarkRow.key_id == watermark.key_id
    )
    if image_sha256 is not None:
        images = images.where(WatermarkRow.image.has(sha256=image_sha256))
    for row in session.scalars(images.order_by(WatermarkRow.image_id)):
        found.setdefault(bytes.fromhex(row.payload), Bearers()).images.append(row)
    if image_sha256 is None:
        files = select(MarkedFile).where(MarkedFile.method == watermark.method, MarkedFile.key_id == watermark.key_id)
        for file in session.scalars(files.order_by(MarkedFile.id)):
            found.setdefault(bytes.fromhex(file.payload or ""), Bearers()).files.append(file)
    return found


def marked_here(session: Session, sha256: str, manifest: str | None) -> tuple[MarkedHere, ...]:
    """The files that were marked here and have these bytes, or this credential.

    Args:
        session: An open session.
        sha256: Of a file.
        manifest: What its credential is called; None where it has none that can be relied on.
    """
    same = [MarkedFile.sha256 == sha256, *([MarkedFile.manifest == manifest] if manifest else [])]
    return described(session.scalars(select(MarkedFile).where(or_(*same)).order_by(MarkedFile.id)).all())


def described(files: Sequence[MarkedFile]) -> tuple[MarkedHere, ...]:
    """Rows as an answer names them."""
    return tuple(MarkedHere(f.name, f.sha256, f.command, f.payload, f.created_at) for f in files)
