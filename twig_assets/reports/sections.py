"""The parts of a report that are lists: which are shown where, and which pictures they show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from twig_assets.reports.data import Caught, PromptLine, ReferenceLine, Released, Scored, UnreadLine
from twig_assets.reports.lines import ReportData
from twig_assets.reports.pictures import Thumbnails

# What the main page shows of one list, so that all of it stays below 5 MB and can be mailed by itself.
PICTURES_BYTES = 600_000
ROWS_BYTES = 150_000


@dataclass(frozen=True)
class Section:
    """A list of a report.

    Attributes:
        name: Its macro in `items.html.j2`, its anchor on the main page and the beginning of its pages' names.
        title: What people call it.
        items: What is listed.
        on_main: At most as many items are on the main page.
        per_page: As many are on each page of its own, where there are more.
        pictures: The pictures that an item shows, by hash; None for rows of a table.
    """

    name: str
    title: str
    items: Sequence[Any]
    on_main: int
    per_page: int
    pictures: Callable[[Any], Iterable[str]] | None = None

    @property
    def pages(self) -> int:
        """How many pages of its own it has, if the main page does not show all of it."""
        return -(-len(self.items) // self.per_page)

    def file(self, page: int) -> str:
        """The name of a page, from 1."""
        return f"{self.name}-{page:03d}.html"

    def of_page(self, page: int) -> Sequence[Any]:
        """The items of a page, from 1."""
        return self.items[(page - 1) * self.per_page : page * self.per_page]

    def for_main(self, thumbnails: Thumbnails) -> list[Any]:
        """The first items, as many as the main page has room for."""
        room, shown = PICTURES_BYTES if self.pictures else ROWS_BYTES, []
        for item in self.items[: self.on_main]:
            room -= self._weight(item, thumbnails)
            if room < 0:
                break
            shown.append(item)
        return shown

    def _weight(self, item: BaseModel, thumbnails: Thumbnails) -> int:
        """About how many bytes an item is of the main page."""
        pictures = self.pictures(item) if self.pictures else ()
        return len(item.model_dump_json()) + sum(len(thumbnails.uri(sha256)) for sha256 in pictures)


def sections(report: ReportData) -> dict[str, Section]:
    """The lists of a report by name, in the order of the page."""
    summary = report.summary
    holding_first: list[UnreadLine] = sorted(summary.unread, key=lambda work: work.accepted is not None)
    listed = [
        Section("held", "To decide", report.held, 60, 100, _of_held),
        Section("unread", "Works that were not compared", holding_first, 40, 500),
        Section("named", "Prompts that named something protected", report.named, 60, 500),
        Section("history", "History of decisions", summary.history, 200, 500),
        Section("ended", "Withdrawn", report.ended, 60, 500),
        Section("caught", "Caught", report.caught, 60, 100, _of_caught),
        Section("released", "Released", report.released, 200, 200, _of_released),
        Section("prompts", "Every prompt", report.prompts, 60, 100, _of_prompt),
        Section("concepts", "Protected concepts", summary.concepts, 40, 100),
        Section("works", "Protected works", summary.references, 100, 200, _of_work),
    ]
    return {section.name: section for section in listed}


def _of_held(line: PromptLine) -> Iterable[str]:
    return [line.candidate.picture.sha256] if line.candidate else []


def _of_prompt(line: PromptLine) -> Iterable[str]:
    images = ([line.first] if line.first else []) + line.attempts
    return [*_hashes(images), *([line.mask.sha256] if line.mask else [])]


def _of_released(one: Released) -> Iterable[str]:
    return [one.image.picture.sha256]


def _of_caught(group: Caught) -> Iterable[str]:
    return [*_hashes(group.images), *([group.nearest.picture.sha256] if group.nearest else [])]


def _of_work(work: ReferenceLine) -> Iterable[str]:
    return [work.picture.sha256]


def _hashes(images: Iterable[Scored]) -> list[str]:
    return [image.picture.sha256 for image in images]
