"""Everything that decides what is published and that people did or time brought about, as one list of events.

Decisions about images, waivers that lapsed, rejections that were lifted, what is allowed of works and when that ended,
changed thresholds, works that need not be compared, and wishes for another attempt.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign.allowed_elements import ElementState, element_states
from twig_assets.campaign.element_parts import parts_in_words
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import (
    AllowedElement,
    Audit,
    Image,
    Notification,
    PolicyRow,
    Prompt,
    PromptBatch,
    RedrawRequest,
    Review,
    UnreadDecision,
)
from twig_assets.compliance.decision_history import Made, history
from twig_assets.compliance.policy_changes import policy_changes

_DECIDED = {"waive": "let an image through", "reject": "rejected an image", "lift": "took back what was decided"}
_LIFTED = {"waive": "lifted a waiver", "reject": "lifted a rejection"}


@dataclass(frozen=True)
class Happened:
    """An event.

    Attributes:
        when: When.
        who: Who did it; empty for what came about by itself, or where nobody's name is on record.
        what: What was done or came about, in a few words.
        about: The prompt of the image, the work, or the thresholds.
        why: The reason given, or what brought it about.
        then: The verdict at that time; empty where there is none.
        today: What it comes to today; empty for what simply happened.
        ended: Whether it ended what somebody had decided, without anybody doing that.
        image: Hash of the image; None for what is about no image.
        prompt_id: Its prompt.
    """

    when: datetime
    who: str
    what: str
    about: str
    why: str
    then: str = ""
    today: str = ""
    ended: bool = False
    image: str | None = None
    prompt_id: int | None = None


def campaign_events(session: Session, campaign: str, rules: Rules) -> list[Happened]:
    """All events of a campaign, the newest first.

    Args:
        session: An open session.
        campaign: The campaign's name.
        rules: The rules in force, by which decisions hold or have lapsed.
    """
    made = history(session, campaign, rules)
    decisions = [event for decision in made for event in of_decision(decision)]
    lapses = {lapse_key(decision) for decision in made if decision.lapsed}
    return newest_first([*decisions, *other_events(session, campaign, lapses)])


def of_decision(made: Made) -> list[Happened]:
    """A decision and, if it lapsed, that."""
    review, image = made.review, made.review.audit.image
    verdict = f"{review.audit.verdict}: {'; '.join(review.audit.reasons)}"
    decided = Happened(
        when=review.created_at,
        who=review.who,
        what=_what(made),
        about=made.prompt,
        why=review.why,
        then=verdict,
        today=made.standing,
        image=image.sha256,
        prompt_id=image.prompt_id,
    )
    if made.lapsed is None or made.lapsed_at is None:
        return [decided]
    return [decided, _lapse(made.lapsed_at, review, made.lapsed)]


def lapse_key(made: Made) -> str:
    """What notifications call a lapse."""
    return f"review {made.review.id}: {made.lapsed}"


def other_events(session: Session, campaign: str, lapses: Collection[str] = ()) -> list[Happened]:
    """All events of a campaign but decisions about images, in no order.

    Args:
        session: An open session.
        campaign: The campaign's name.
        lapses: The lapses that are known from the decisions, see `lapse_key`; those that later decisions made up for
            are known from the notifications only.
    """
    return [
        *_elements(session, campaign),
        *_thresholds(session, campaign),
        *_unread(session, campaign),
        *_redraws(session, campaign),
        *_earlier_lapses(session, campaign, lapses),
    ]


def newest_first(events: Collection[Happened]) -> list[Happened]:
    """Events in the order in which they are shown."""
    return sorted(events, key=lambda event: event.when, reverse=True)


def _what(made: Made) -> str:
    before = made.before
    if made.review.decision == "lift" and before is not None and before.decision in _LIFTED:
        return f"{_LIFTED[before.decision]} by {before.who}"
    return _DECIDED[made.review.decision]


def _lapse(when: datetime, review: Review, why: str) -> Happened:
    image, what = review.audit.image, f"the waiver by {review.who} lapsed"
    return Happened(
        when, "", what, image.prompt.text, why, ended=True, image=image.sha256, prompt_id=image.prompt_id
    )  # fmt: skip


def _elements(session: Session, campaign: str) -> Iterator[Happened]:
    for state in element_states(session, campaign):
        element, about = state.element, _shown(state.element)
        what = f"allowed {'parts of a' if element.parts else 'a'} work"
        yield Happened(element.created_at, element.who, what, about, element.why, today=state.standing)
        if state.lift is not None:
            what = f"lifted what {element.who} had allowed"
            yield Happened(state.lift.created_at, state.lift.who, what, about, state.lift.why)
        elif state.ended:
            yield Happened(
                _end_of(state), "", "what was allowed of a work ended", about, "its last day is over", ended=True
            )


def _shown(element: AllowedElement) -> str:
    where = f"{parts_in_words(element.parts)} of " if element.parts else ""
    end = f" until {element.until}" if element.until else ""
    return f"{where}{element.title!r}, {element.kind}{end}{'' if element.campaign else ', in all campaigns'}"


def _end_of(state: ElementState) -> datetime:
    return datetime.combine(date.fromisoformat(str(state.element.until)) + timedelta(days=1), time(), UTC)


def _thresholds(session: Session, campaign: str) -> Iterator[Happened]:
    """Changes made at the desk, and those that only audits show, since somebody wrote into the file."""
    made = policy_changes(session, campaign)
    for change in made:
        about = "; ".join(f"{_plain(name)} {old} -> {new}" for name, (old, new) in change.changes.items())
        yield Happened(change.created_at, change.who, "changed thresholds", about, change.why)
    first_use = (
        select(PolicyRow, func.min(Audit.created_at))
        .join(Audit, Audit.policy_id == PolicyRow.id)
        .join(Image, Image.id == Audit.image_id)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign)
        .group_by(PolicyRow.id)
        .order_by(func.min(Audit.created_at), PolicyRow.id)
    )
    used = session.execute(first_use).all()
    at_the_desk = {change.after_sha256 for change in made}
    for (before, _), (policy, since) in zip(used, used[1:], strict=False):
        if policy.sha256 not in at_the_desk:
            what, why = "thresholds were changed in policy.yaml", "nobody's name is on record; first used then"
            yield Happened(since, "", what, _differences(before.body, policy.body), why)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return "; ".join(f"{_plain(name)} {before.get(name)} -> {after.get(name)}" for name in names)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _unread(session: Session, campaign: str) -> Iterator[Happened]:
    words = {"accept": "accepted that a work is not compared", "lift": "no longer accepted that a work is not compared"}
    rows = select(UnreadDecision).where(UnreadDecision.campaign == campaign)
    for row in session.scalars(rows):
        yield Happened(row.created_at, row.who, words[row.decision], f"{row.file}: it {row.reason}", row.why)


def _redraws(session: Session, campaign: str) -> Iterator[Happened]:
    rows = select(RedrawRequest, Prompt.text).join(Prompt, Prompt.id == RedrawRequest.prompt_id).join(PromptBatch)
    for row, text in session.execute(rows.where(PromptBatch.campaign == campaign)):
        yield Happened(row.created_at, row.who, "asked for another attempt", text, row.why)


def _earlier_lapses(session: Session, campaign: str, known: Collection[str]) -> Iterator[Happened]:
    told = select(Notification).where(Notification.campaign == campaign, Notification.event == "lapsed")
    for row in session.scalars(told):
        for key, line in row.items.items():
            if key in known:
                continue
            number, _, why = key.removeprefix("review ").partition(": ")
            review = session.get(Review, int(number)) if number.isdecimal() else None
            if review is not None:
                yield _lapse(row.created_at, review, why)
            else:
                yield Happened(row.created_at, "", "a waiver lapsed", line, why, ended=True)
