"""The notifications that people get, each once: kept as rows, so that neither a restart nor a dead server loses one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.allowed_elements import described, element_states
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Image, Notification, Prompt, PromptBatch, Release, utc_now
from twig_assets.compliance.decision_history import history
from twig_assets.compliance.events import lapse_key
from twig_assets.compliance.survey import survey

Event = Literal["withdrawn", "quarantined", "waiting", "lapsed", "ended", "stuck", "died", "failing", "edited"]
TITLES: dict[Event, str] = {
    "withdrawn": "published images no longer comply and were withdrawn",
    "quarantined": "prompts spent all their attempts and are quarantined",
    "waiting": "prompts wait for a person, who can let an image through or reject it with twig review",
    "lapsed": "waivers lapsed, so that the verdicts decide again",
    "ended": "elements of works are allowed no longer, so that the verdicts decide again",
    "stuck": "needs a run, and runs change nothing",
    "died": "a run died",
    "failing": "a sensor fails at every tick",
    "edited": "prompts were changed after they had been drawn, and are not drawn again",
}
REPLACED = "another image took its place"


@dataclass(frozen=True)
class Notice:
    """An event that concerns one batch or job.

    Attributes:
        event: What happened.
        subject: The batch or job that it concerns.
        items: What makes an item of it unique, such as a release's id -> the item's line for a person.
    """

    event: Event
    subject: str
    items: Mapping[str, str]


def withdrawals(session: Session, campaign: str) -> list[Notice]:
    """Images that were published and taken back because they no longer comply, by batch."""
    rows = session.execute(
        select(Release.id, Release.reason, Prompt.batch_key, Prompt.text)
        .join(Prompt, Release.prompt_id == Prompt.id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_not(None), Release.reason != REPLACED)
        .order_by(Release.id)
    )
    return _by_batch("withdrawn", [(batch, f"release {key}", f"{text}: {reason}") for key, reason, batch, text in rows])


def held_prompts(session: Session, campaign: str, rules: Rules) -> list[Notice]:
    """Prompts whose attempts are spent, and those about which a person has to decide, by batch."""
    surveyed = survey(session, campaign, rules)
    held: list[tuple[Event, dict[str, list[int]]]] = [
        ("quarantined", surveyed.quarantined),
        ("waiting", surveyed.waiting),
    ]
    return [notice for event, batches in held for notice in _of_images(session, event, batches)]


def _of_images(session: Session, event: Event, batches: Mapping[str, list[int]]) -> list[Notice]:
    ids = [image_id for images in batches.values() for image_id in images]
    rows = session.execute(
        select(Image.id, Prompt.batch_key, Prompt.text).join(Prompt).where(among(Image.id, ids)).order_by(Image.id)
    )
    return _by_batch(event, [(batch, f"image {key}", text) for key, batch, text in rows])


def lapses(session: Session, campaign: str, rules: Rules) -> list[Notice]:
    """Waivers that let an image through and hold no longer although nobody took them back, by batch."""
    rows = []
    for made in history(session, campaign, rules):
        if not made.lapsed:
            continue
        review, prompt = made.review, made.review.audit.image.prompt
        rows.append((prompt.batch_key, lapse_key(made), f"{prompt.text}: given by {review.who}; {made.lapsed}"))
    return _by_batch("lapsed", rows)


def ended_elements(session: Session, campaign: str) -> list[Notice]:
    """Elements of works that were allowed until a day that is over, though nobody took them back."""
    ended = [state.element for state in element_states(session, campaign) if state.ended and state.lift is None]
    items = {f"element {element.id}": f"{described(element)}: its last day is over" for element in ended}
    return [Notice("ended", campaign, items)] if items else []


def _by_batch(event: Event, rows: Iterable[tuple[str, str, str]]) -> list[Notice]:
    items: dict[str, dict[str, str]] = defaultdict(dict)
    for batch, key, line in rows:
        items[batch][key] = line
    return [Notice(event, batch, lines) for batch, lines in items.items()]


def notified(session: Session, campaign: str) -> dict[tuple[str, str], set[str]]:
    """Event and subject -> the items that have a notification, sent or not."""
    items_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    columns = (Notification.event, Notification.subject, Notification.items)
    for event, subject, items in session.execute(select(*columns).where(Notification.campaign == campaign)):
        items_of[event, subject] |= items.keys()
    return items_of


def note(session: Session, campaign: str, notices: Iterable[Notice]) -> int:
    """Add a notification for every event and subject with items that have none yet; returns how many were added."""
    known, added = notified(session, campaign), 0
    for notice in notices:
        new = {key: line for key, line in notice.items.items() if key not in known[notice.event, notice.subject]}
        if new:
            session.add(
                Notification(
                    campaign=campaign,
                    event=notice.event,
                    subject=notice.subject,
                    items=new,
                    items_sha256=sha256_of(new),
                )
            )
            added += 1
    session.flush()
    return added


def unsent(session: Session, campaign: str, limit: int) -> list[Notification]:
    """The oldest notifications that some channel has still to carry, `limit` at most."""
    wanted = select(Notification).where(Notification.campaign == campaign, Notification.sent_at.is_(None))
    return list(session.scalars(wanted.order_by(Notification.id).limit(limit)))


def record(session: Session, notification_id: int, outcomes: Mapping[str, str | None]) -> None:
    """Write down which channels have carried a notification, and why others have not.

    Args:
        session: An open session.
        notification_id: The notification.
        outcomes: Channel -> why it failed, or None if it did not; of the channels that had not carried it before.
    """
    row = session.get_one(Notification, notification_id)
    now = utc_now()
    row.channels = {**row.channels, **{name: now.isoformat() for name, error in outcomes.items() if error is None}}
    troubles = [f"{name}: {error}" for name, error in outcomes.items() if error is not None]
    row.trouble = "; ".join(troubles) or None
    row.sent_at = None if troubles else now


def title(row: Notification) -> str:
    """The notification in one line."""
    event = TITLES[row.event]  # type: ignore[index]
    count = "" if row.event in ("stuck", "died", "failing") else f"{len(row.items)} "
    return f"twig-assets, {row.campaign}: {row.subject}: {count}{event}"


def body(row: Notification) -> str:
    """What happened, a line for each item."""
    return "\n".join([f"{title(row)}:", "", *(f"- {line}" for line in row.items.values())]) + "\n"
