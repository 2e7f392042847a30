"""A report as one JSON object, a piece at a time."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel

from twig_assets.reports.lines import ReportData


def json_pieces(report: ReportData) -> Iterator[str]:
    """The summary's fields, then `caught`, `released`, `ended` and `prompts`, an item on each line."""
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
