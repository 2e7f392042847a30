"""The check that releases are as their events say, which the ledger chains."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Release, ReleaseEvent
from twig_assets.evidence.checks import Finding

_SAME = {"prompt_id": "prompt", "image_id": "image", "audit_id": "audit"}


def check_releases(session: Session) -> Iterator[Finding]:
    """Compare every release with its events: what was released, on which audit, and whether it was withdrawn.

    That the events themselves are as they were written, `check_ledger` says.
    """
    events: dict[int, list[ReleaseEvent]] = defaultdict(list)
    for event in session.scalars(select(ReleaseEvent).order_by(ReleaseEvent.id)):
        events[event.release_id].append(event)
    for release in session.scalars(select(Release).order_by(Release.id)):
        for problem in _problems(release, events.pop(release.id, [])):
            yield Finding(f"release {release.id}", problem)
    for release_id in sorted(events):
        yield Finding(f"release {release_id}", "missing, though the ledger has what happened to it")


def _problems(release: Release, events: Sequence[ReleaseEvent]) -> Iterator[str]:
    by_kind = {event.event: event for event in events}
    released, withdrawn = by_kind.get("released"), by_kind.get("withdrawn")
    if released is None:
        yield "was added by another program: the ledger has no entry of its release"
        return
    for name, what in _SAME.items():
        if getattr(released, name) != getattr(release, name):
            yield f"was altered: it names another {what} than the one that the ledger has"
    if released.at != release.released_at:
        yield "was altered: it names another time of its release than the ledger has"
    if withdrawn is None and release.withdrawn_at is not None:
        yield "was altered: it is withdrawn, and the ledger has no entry of that"
    if withdrawn is not None and release.withdrawn_at is None:
        yield "was altered: it stands, though the ledger has its withdrawal"
    elif withdrawn is not None and (withdrawn.at, withdrawn.reason) != (release.withdrawn_at, release.reason):
        yield "was altered: it names another time or reason of its withdrawal than the ledger has"
