"""A report as one JSON object, a piece at a time."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from twig_assets.reports.data import Counts
from twig_assets.reports.lines import ReportData


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True)

    counts: Counts


def counts_of(file: Path) -> Counts | None:
    """The headline of a report that was written as JSON, from its first line; None if there is none yet."""
    try:
        with file.open(encoding="utf-8") as opened:
            return _Head.model_validate_json(opened.readline().rstrip(",\n") + "}").counts
    except (OSError, ValidationError):
        return None


def json_pieces(report: ReportData) -> Iterator[str]:
    """The summary's fields on the first line, then `caught`, `released`, `ended` and `prompts`, an item on each."""
    yield report.summary.model_dump_json()[:-1]
    lists: dict[str, Sequence[BaseModel]] = {
        "caught": report.caught,
        "released": report.released,
        "ended": report.ended,
    }
    for name, items in lists.items():
        yield from _list(name, (item.model_dump_json() for item in items))
    yield from _list("prompts", (report.lines.content(place).decode() for place in report.lines.places))
    yield "}\n"


def _list(name: str, items: Iterable[str]) -> Iterator[str]:
    yield f',\n"{name}":['
    for number, item in enumerate(items):
        yield f"{',' if number else ''}\n{item}"
    yield "]"
