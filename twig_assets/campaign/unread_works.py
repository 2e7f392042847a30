"""A campaign's works as they are read, and the files that nothing is compared with: who accepted that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.catalog.models import UnreadDecision, UnreadWork, utc_now
from twig_assets.settings.corpus import CorpusSettings
from twig_assets.similarity import ReferenceImage, Unreadable, read_part, read_references
from twig_assets.similarity.corpus.files import shown

POLICY = "policy.yaml"


class UnreadError(ValueError):
    """A decision about a file that cannot be written down; the message says what to name instead."""


@dataclass(frozen=True)
class Unread:
    """A file that lies in the folder of works or is listed there, and that is not, or not wholly, compared with.

    Attributes:
        file: Its path below the folder, printable.
        reason: Why it is not compared with, as what goes on after `it`.
        sha256: Hash of its content; None if it could not be read.
        accepted: Who accepted that, and why; None as long as it holds releases back.
    """

    file: str
    reason: str
    sha256: str | None
    accepted: str | None

    @property
    def sentence(self) -> str:
        """File and reason, for a person."""
        return f"{self.file}: {self.reason}"


def read_works(campaign: Campaign) -> tuple[list[ReferenceImage], list[Unreadable]]:
    """Read a campaign's works as its policy says; see `read_references`.

    Raises:
        CorpusError: If there are none, or their table cannot be used.
        PolicyError: If the campaign's policy cannot be read.
    """
    return read_references(campaign.references_folder, read_part(campaign.policy_file, CorpusSettings).follow_links)


def found_unread(unreadable: Iterable[Unreadable], folder: Path) -> list[Unread]:
    """What reading a corpus left out, one for each file; second copies of a file are compared with and left out here.

    Args:
        unreadable: What was read, see `read_references`.
        folder: The folder of works.
    """
    reasons: dict[tuple[str, str | None], list[str]] = {}
    for file in unreadable:
        if not file.duplicate:
            reasons.setdefault((shown(file.path.relative_to(folder)), file.sha256), []).append(file.reason)
    return [Unread(file, "; ".join(texts), sha256, None) for (file, sha256), texts in sorted(reasons.items(), key=str)]


def keep_unread(session: Session, campaign: str, found: Sequence[Unread]) -> None:
    """Bring the rows in line with what was found; those of files that can be read by now are closed.

    Args:
        session: An open session.
        campaign: Whose works these are.
        found: See `found_unread`.
    """
    open_rows = {_identity(row): row for row in session.scalars(_open(campaign))}
    present = {_identity(file): file for file in found}
    for identity, row in open_rows.items():
        if identity not in present:
            row.gone_at = utc_now()
    for identity, file in present.items():
        if identity not in open_rows:
            session.add(UnreadWork(campaign=campaign, file=file.file, sha256=file.sha256, reason=file.reason))
        else:
            open_rows[identity].reason = file.reason
    session.flush()


def unread_works(session: Session, campaign: Campaign) -> list[Unread]:
    """What nothing is compared with, as the corpus was read last, in order of file.

    Raises:
        PolicyError: If the campaign's policy cannot be read.
    """
    named = set(read_part(campaign.policy_file, CorpusSettings).accept_unread)
    newest: dict[tuple[str, str], UnreadDecision] = {}
    of_campaign = select(UnreadDecision).where(UnreadDecision.campaign == campaign.name).order_by(UnreadDecision.id)
    for decision in session.scalars(of_campaign):
        newest[_identity(decision)] = decision
    rows = session.scalars(_open(campaign.name).order_by(UnreadWork.file, UnreadWork.id))
    return [
        Unread(row.file, row.reason, row.sha256, _accepted(row.file, newest.get(_identity(row)), named)) for row in rows
    ]


def decide_unread(
    session: Session, campaign: Campaign, file: str, decision: Literal["accept", "lift"], who: str, why: str
) -> UnreadDecision:
    """Write down that a file need not be compared with, or has to be after all.

    It holds for the file with the content that it has; of a file that could not be read at all, for the same reason.

    Args:
        session: An open session.
        campaign: Whose works these are.
        file: The file's name, as the list of unread works has it.
        decision: What is decided.
        who: The person who decides.
        why: The reason, for those who ask later.

    Raises:
        UnreadError: If no such file is unread, or who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise UnreadError("who and why: both must say something, for those who ask later")
    unread = {work.file: work for work in unread_works(session, campaign)}
    if file not in unread:
        known = ", ".join(unread) or "none"
        raise UnreadError(f"unread: {file!r} is none of the files that could not be compared; these are: {known}")
    work = unread[file]
    row = UnreadDecision(
        campaign=campaign.name,
        file=work.file,
        sha256=work.sha256,
        reason=work.reason,
        decision=decision,
        who=who.strip(),
        why=why.strip(),
    )
    session.add(row)
    session.flush()
    return row


def _open(campaign: str) -> Select[UnreadWork]:
    return select(UnreadWork).where(UnreadWork.campaign == campaign, UnreadWork.gone_at.is_(None))


def _identity(row: UnreadWork | UnreadDecision | Unread) -> tuple[str, str]:
    """What makes a file the same: its name and its content, or why there is none."""
    return row.file, row.sha256 or row.reason


def _accepted(file: str, decision: UnreadDecision | None, named: set[str]) -> str | None:
    if decision is not None and decision.decision == "accept":
        return f"{decision.who}: {decision.why}"
    return f"named in {POLICY}" if file in named else None
