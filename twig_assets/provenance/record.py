"""Whether what a file says of its release is what the catalog has: the ledger that it names, and the release today."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Image, LedgerEntry, Release
from twig_assets.provenance.problems import Problem
from twig_assets.provenance.statement import LedgerPart, ReleaseStatement


def contradictions(session: Session, statement: ReleaseStatement) -> Iterator[Problem]:
    """What speaks against a file whose credential holds, by the catalog as it is today.

    Args:
        session: An open session of the catalog that released it.
        statement: What the file says of its release.
    """
    yield from doubts(session, statement)
    yield from _release(session, statement.image_sha256)


def doubts(session: Session, statement: ReleaseStatement) -> Iterator[Problem]:
    """What of it the catalog's ledger and the times contradict, whatever became of the release since.

    Args:
        session: An open session of the catalog that released it.
        statement: What the file says of its release.
    """
    yield from _clock(statement)
    if statement.ledger is None:
        yield Problem(code="twig.ledger.none", sentence="It names no entry of a ledger.")
    else:
        yield from _ledger(session, statement.ledger)


def _clock(statement: ReleaseStatement) -> Iterator[Problem]:
    if statement.signed_at < statement.audit.audited_at:
        sentence = (
            f"It says that it was signed on {_date(statement.signed_at)}, before its own audit of "
            f"{_date(statement.audit.audited_at)}: a clock was set back."
        )
        yield Problem(code="twig.clock.back", sentence=sentence)


def _ledger(session: Session, stated: LedgerPart) -> Iterator[Problem]:
    pairs = ((stated.audit_sequence, stated.audit_sha256), (stated.head_sequence, stated.head_sha256))
    for sequence, sha256 in dict.fromkeys(pairs):
        entry = session.get(LedgerEntry, sequence)
        if entry is None:
            sentence = (
                f"It names entry {sequence} of the ledger, which this catalog does not have: the end of the ledger was "
                "cut off, or another catalog released it."
            )
            yield Problem(code="twig.ledger.cut", sentence=sentence)
        elif entry.sha256 != sha256:
            sentence = (
                f"Entry {sequence} of the ledger is not the one that it names: the ledger was rewritten up to there, "
                "or another catalog released it."
            )
            yield Problem(code="twig.ledger.rewritten", sentence=sentence)


def _release(session: Session, image_sha256: str) -> Iterator[Problem]:
    images = select(Image.id).where(Image.sha256 == image_sha256)
    releases = session.scalars(select(Release).where(Release.image_id.in_(images)).order_by(Release.id)).all()
    if not releases:
        yield Problem(code="twig.release.unknown", sentence="This catalog has no release of the image that it names.")
    elif all(release.withdrawn_at for release in releases):
        newest = releases[-1]
        when = _date(newest.withdrawn_at) if newest.withdrawn_at else ""
        yield Problem(code="twig.release.withdrawn", sentence=f"It was withdrawn on {when}: {newest.reason}.")


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
