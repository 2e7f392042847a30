"""What people allow to be shown of a campaign's works: a whole work, or parts of one, until a day or for good.

Such an element is a rule, not a decision about an image. Images that were audited without it count as long as every
element that was left out is allowed; when one ends, the verdict beside all works as they are decides again.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import AllowedElement, Audit, Reference, utc_now
from twig_assets.similarity.allowed import Allowed, Part

Kind = Literal["licensed", "generic"]
KINDS: tuple[Kind, ...] = ("licensed", "generic")
MOST_PARTS = 16


class AllowedElementError(ValueError):
    """An element that cannot be written down; the message says what to give instead."""


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


def checked_parts(parts: Iterable[Sequence[float]]) -> tuple[Part, ...]:
    """Parts that lie on a picture.

    Raises:
        AllowedElementError: If one does not, or there are too many.
    """
    checked: list[Part] = []
    for part in parts:
        numbers = [float(number) for number in part]
        if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
            raise AllowedElementError(f"part: {list(part)} is not x, y, width and height")
        x, y, width, height = (round(number, 6) for number in numbers)
        if min(x, y) < 0 or width <= 0 or height <= 0 or max(x + width, y + height) > 1.000001:
            raise AllowedElementError(f"part: {list(part)} does not lie on the work; give shares from 0 to 1")
        checked.append((x, y, width, height))
    if len(checked) > MOST_PARTS:
        raise AllowedElementError(f"part: {len(checked)} are too many; give {MOST_PARTS} at most, or the whole work")
    return tuple(checked)


def all_but(part: Part) -> tuple[Part, ...]:
    """What of a picture lies outside a rectangle: up to four parts, such as a frame."""
    x, y, width, height = part
    right, bottom = x + width, y + height
    around = ((0.0, 0.0, 1.0, y), (0.0, bottom, 1.0, 1 - bottom), (0.0, y, x, height), (right, y, 1 - right, height))
    return tuple(piece for piece in around if piece[2] > 1e-6 and piece[3] > 1e-6)


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


def in_words(
    title: str, parts: Sequence[Sequence[float]], kind: str, until: str | None, scope: str, who: str, why: str
) -> str:
    """See `described`; `scope` is empty or begins with a comma."""
    where = "the whole of" if not parts else f"{parts_in_words(parts)} of"
    end = f" until {until}" if until else ""
    return f"{where} {title!r} ({kind}{end}{scope}, by {who}: {why})"


def parts_in_words(parts: Sequence[Sequence[float]]) -> str:
    """Where parts lie, in percent from the left and from the top."""
    words = [
        f"{x:.0%} to {x + width:.0%} from the left and {y:.0%} to {y + height:.0%} from the top"
        for x, y, width, height in parts
    ]
    return f"the part {words[0]}" if len(words) == 1 else f"{len(words)} parts ({'; '.join(words)})"


def _parts(stored: Iterable[Sequence[float]]) -> tuple[Part, ...]:
    return tuple((part[0], part[1], part[2], part[3]) for part in stored)


def _of_campaign(campaign: str) -> Select[AllowedElement]:
    concerned = or_(AllowedElement.campaign == campaign, AllowedElement.campaign.is_(None))
    return select(AllowedElement).where(concerned).order_by(AllowedElement.id)


def checked_day(until: str | None) -> str | None:
    """A last day that is still to come, as YYYY-MM-DD; None for none.

    Raises:
        AllowedElementError: If it is no day, or over.
    """
    if not until:
        return None
    try:
        day = date.fromisoformat(until)
    except ValueError as error:
        raise AllowedElementError(f"until: {until!r} is no day; write it like 2027-12-31") from error
    if day < utc_now().date():
        raise AllowedElementError(f"until: {day} is over already; give a day to come, or none")
    return day.isoformat()
