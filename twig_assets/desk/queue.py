"""The queue: items by filters, a page at a time, and which comes after which."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict

from twig_assets.campaign.unread_works import Unread
from twig_assets.desk.items import KINDS, OPEN, UNREAD, Item
from twig_assets.desk.snapshot import Snapshot

PAGE = 50


class Filters(BaseModel):
    """Which items are listed; empty fields let everything through.

    Attributes:
        campaign: Of this campaign.
        batch: Of this batch.
        kind: Of this kind; without one, all that wait for a person. `unread` for works that could not be compared.
        work: Whose verdict rests on the work of this title.
        holder: On a work of this rights holder.
        text: Whose prompt holds this text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    campaign: str = ""
    batch: str = ""
    kind: str = ""
    work: str = ""
    holder: str = ""
    text: str = ""

    def admits(self, item: Item) -> bool:
        """Whether an item is listed."""
        wanted = (("campaign", self.campaign), ("batch", self.batch), ("work", self.work), ("holder", self.holder))
        if any(value and getattr(item, name) != value for name, value in wanted):
            return False
        if self.text and self.text.casefold() not in item.prompt.casefold():
            return False
        return item.kind == self.kind if self.kind else item.kind in OPEN

    def query(self, **changed: str | int) -> str:
        """These filters as the query of an address, some of them changed."""
        return urlencode({name: value for name, value in {**self.model_dump(), **changed}.items() if value})


@dataclass(frozen=True)
class Choice:
    """A value to filter by, and how many items have it."""

    value: str
    words: str
    count: int


@dataclass(frozen=True)
class Page:
    """A page of the queue.

    Attributes:
        items: The items on it.
        total: How many there are on all pages.
        number: Of this page, from 1.
        pages: How many pages there are.
        choices: Field of `Filters` -> the values to choose from.
        problems: Campaigns that cannot be shown, each with the reason.
        unread: Works that could not be compared and that nobody accepted, each with its campaign.
    """

    items: list[Item]
    total: int
    number: int
    pages: int
    choices: dict[str, list[Choice]]
    problems: list[str]
    unread: list[tuple[str, Unread]]


def page_of(snapshot: Snapshot, filters: Filters, number: int) -> Page:
    """A page of the items that filters let through, the worst evidence first."""
    views = snapshot.campaigns()
    every = [item for view in views for item in view.items]
    unread = [(view.name, work) for view in views if filters.campaign in ("", view.name) for work in view.holding]
    listed = _sorted(item for item in every if filters.admits(item))
    pages = max(1, -(-len(listed) // PAGE))
    number = min(max(number, 1), pages)
    return Page(
        items=listed[(number - 1) * PAGE : number * PAGE],
        total=len(listed),
        number=number,
        pages=pages,
        choices=_choices(every, filters, len(unread)),
        unread=unread if filters.kind in ("", UNREAD) else [],
        problems=[f"{view.name}: {view.problem}" for view in views if view.problem],
    )


@dataclass(frozen=True)
class Around:
    """What is before and after an item in the queue; None at the ends."""

    before: Item | None
    after: Item | None
    place: int
    total: int


def step(snapshot: Snapshot, filters: Filters, campaign: str, key: str) -> Around:
    """The items before and after one, which need not be listed any more: its place is remembered by its evidence."""
    every = [item for view in snapshot.campaigns() for item in view.items]
    listed = [item for item in every if filters.admits(item)]
    first = min(listed, key=_order, default=None)
    here = next((item for item in every if (item.campaign, item.key) == (campaign, key)), None)
    if here is None:
        return Around(None, first, 0, len(listed))
    before = [item for item in listed if _order(item) < _order(here)]
    after = min((item for item in listed if _order(item) > _order(here)), key=_order, default=None)
    place = len(before) + 1 if filters.admits(here) else 0
    # Behind the last one, what was skipped comes again.
    following = after or (None if place else first)
    return Around(max(before, key=_order, default=None), following, place, len(listed))


def every_one(snapshot: Snapshot, filters: Filters) -> list[Item]:
    """All items that filters let through, on whatever page."""
    return _sorted(item for view in snapshot.campaigns() for item in view.items if filters.admits(item))


def _order(item: Item) -> tuple[tuple[float, ...], str]:
    return item.evidence, item.campaign


def _sorted(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=_order)


def _choices(items: Sequence[Item], filters: Filters, unread: int) -> dict[str, list[Choice]]:
    """For each field the values that the other filters leave, with counts."""

    def counted(field: str, value_of: Callable[[Item], str], words: dict[str, str] | None = None) -> list[Choice]:
        others = filters.model_copy(update={field: ""})
        if field == "kind":
            admitted = [item for item in items if filters.model_copy(update={"kind": item.kind}).admits(item)]
        else:
            admitted = [item for item in items if others.admits(item)]
        counts = Counter(value_of(item) for item in admitted if value_of(item))
        return [Choice(value, (words or {}).get(value, value), count) for value, count in sorted(counts.items())]

    works = [Choice(UNREAD, "works that were not compared", unread)] if unread else []
    return {
        "kind": [*counted("kind", lambda item: item.kind, {str(kind): words for kind, words in KINDS.items()}), *works],
        "campaign": counted("campaign", lambda item: item.campaign),
        "batch": counted("batch", lambda item: item.batch),
        "work": counted("work", lambda item: item.work),
        "holder": counted("holder", lambda item: item.holder),
    }
