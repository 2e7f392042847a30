"""What people allow to be shown of a campaign's works: a whole work, or parts of one, until a day or for good.

Such an element is a rule, not a decision about an image. Images that were audited without it count as long as every
element that was left out is allowed; when one ends, the verdict beside all works as they are decides again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from twig_assets.campaign.element_parts import AllowedElementError, checked_day, checked_parts, in_words
from twig_assets.catalog.models import AllowedElement, Audit, Reference, utc_now
from twig_assets.similarity.allowed import Allowed, Part

Kind = Literal["licensed", "generic"]
KINDS: tuple[Kind, ...] = ("licensed", "generic")


@dataclass(frozen=True)
class ElementState:
    """An element, and what it comes to today.

    Attributes:
        element: What was allowed.
        lift: What took it back; None if nothing did.
        ended: Whether its last day is over.
    """

    element: AllowedElement
    lift: AllowedElement | None
    ended: bool

    @property
    def holds(self) -> bool:
        """Whether it may be shown today."""
        return self.lift is None and not self.ended

    @property
    def standing(self) -> str:
        """What it comes to today, in a few words."""
        if self.lift is not None:
            return f"lifted by {self.lift.who}: {self.lift.why}"
        return f"ended after {self.element.until}" if self.ended else "holds"


def element_states(session: Session, campaign: str, today: date | None = None) -> list[ElementState]:
    """All elements that were ever allowed in a campaign, the oldest first.

    Args:
        session: An open session.
        campaign: The campaign's name.
        today: The day, in UTC; today by default.
    """
    day = (today or utc_now().date()).isoformat()
    rows = list(session.scalars(_of_campaign(campaign)))
    lifted = {row.lifts_id: row for row in rows if row.decision == "lift"}
    return [
        ElementState(row, lifted.get(row.id), row.until is not None and row.until < day)
        for row in rows
        if row.decision == "allow"
    ]


def elements_in_force(session: Session, campaign: str, today: date | None = None) -> list[AllowedElement]:
    """The elements that may be shown in a campaign today, the oldest first."""
    return [state.element for state in element_states(session, campaign, today) if state.holds]


def as_key(elements: Iterable[AllowedElement | int]) -> str:
    """How an audit names the elements that it left out: their ids, with commas between."""
    ids = (element if isinstance(element, int) else element.id for element in elements)
    return ",".join(map(str, sorted(set(ids))))


def keys_that_hold(session: Session, elements: Sequence[AllowedElement]) -> tuple[str, ...]:
    """Of the sets of elements that audits left out those whose elements are all allowed."""
    ids = {element.id for element in elements}
    if not ids:
        return ()
    keys = session.scalars(select(Audit.allowed).where(Audit.allowed.is_not(None)).distinct())
    return tuple(sorted(key for key in keys if key and {int(one) for one in key.split(",")} <= ids))


def what_is_left_out(elements: Iterable[AllowedElement]) -> tuple[Allowed, ...]:
    """Elements as the audit takes them."""
    return tuple(Allowed(element.work_sha256, _parts(element.parts)) for element in elements)


def allow(
    session: Session,
    campaign: str,
    work: str,
    kind: Kind,
    who: str,
    why: str,
    *,
    parts: Sequence[Part] = (),
    until: str | None = None,
    everywhere: bool = False,
) -> AllowedElement:
    """Write down that a work, or parts of it, may be shown.

    Args:
        session: An open session.
        campaign: The campaign in whose corpus the work is.
        work: Its file, its title, or six or more digits of its SHA-256.
        kind: `licensed` or `generic`.
        who: The person who decides.
        why: The reason, for those who ask later.
        parts: The parts; none for the whole work.
        until: The last day, as YYYY-MM-DD; None for no end.
        everywhere: Whether it holds in all campaigns that have the work, and not in this one only.

    Raises:
        AllowedElementError: If there is no such work, or several, or another value cannot be used.
    """
    if not who.strip() or not why.strip():
        raise AllowedElementError("who and why: both must say something, for those who ask later")
    if kind not in KINDS:
        raise AllowedElementError(f"kind: {kind!r} is none of {', '.join(KINDS)}")
    row = the_work(session, campaign, work)
    element = AllowedElement(
        campaign=None if everywhere else campaign,
        work_sha256=row.sha256,
        title=row.title,
        parts=[list(part) for part in checked_parts(parts)],
        kind=kind,
        decision="allow",
        until=checked_day(until),
        who=who.strip(),
        why=why.strip(),
    )
    session.add(element)
    session.flush()
    return element


def lift_element(session: Session, campaign: str, element_id: int, who: str, why: str) -> AllowedElement:
    """Write down that an element may no longer be shown.

    Raises:
        AllowedElementError: If the campaign has no such element that holds, or who or why is empty.
    """
    if not who.strip() or not why.strip():
        raise AllowedElementError("who and why: both must say something, for those who ask later")
    element = next((one for one in elements_in_force(session, campaign) if one.id == element_id), None)
    if element is None:
        raise AllowedElementError(f"lift: element {element_id} is none that holds in {campaign!r}; `twig allow` lists")
    names = ("campaign", "work_sha256", "title", "parts", "kind", "until")
    same = {name: getattr(element, name) for name in names}
    lifted = AllowedElement(**same, decision="lift", lifts_id=element.id, who=who.strip(), why=why.strip())
    session.add(lifted)
    session.flush()
    return lifted


def the_work(session: Session, campaign: str, work: str) -> Reference:
    """The work of a campaign's corpus that a person means; see `allow`."""
    of_campaign = select(Reference).where(Reference.campaign == campaign, Reference.status == "active")
    works = list(session.scalars(of_campaign.order_by(Reference.file)))
    found = [row for row in works if work in (row.file, row.title)]
    if not found and len(work) >= 6:
        found = [row for row in works if row.sha256.startswith(work.lower())]
    if len(found) != 1:
        how_many = "no work" if not found else f"{len(found)} works"
        raise AllowedElementError(
            f"work: {how_many} of {campaign!r} by {work!r}; give the file's name below references/"
        )
    return found[0]


def as_row(state: ElementState) -> dict[str, Any]:
    """An element as JSON, with what it comes to today."""
    names = ("id", "campaign", "work_sha256", "title", "parts", "kind", "until", "who", "why")
    row = {name: getattr(state.element, name) for name in names}
    lift = {"who": state.lift.who, "why": state.lift.why} if state.lift else None
    made = state.element.created_at.isoformat(timespec="seconds")
    return {**row, "created_at": made, "lifted": lift, "holds": state.holds, "today": state.standing}


def described(element: AllowedElement) -> str:
    """What is allowed, of which kind and how long, for a person: what goes on after `allowed:`."""
    scope = "" if element.campaign else ", in all campaigns"
    return in_words(element.title, element.parts, element.kind, element.until, scope, element.who, element.why)


def _parts(stored: Iterable[Sequence[float]]) -> tuple[Part, ...]:
    return tuple((part[0], part[1], part[2], part[3]) for part in stored)


def _of_campaign(campaign: str) -> Select[AllowedElement]:
    concerned = or_(AllowedElement.campaign == campaign, AllowedElement.campaign.is_(None))
    return select(AllowedElement).where(concerned).order_by(AllowedElement.id)
