"""What `twig ui` shows: which servers answer, where the campaign stands, and where everything else is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table

from twig_assets.reports.data import Counts


@dataclass
class Server:
    """A server.

    Attributes:
        name: What people call it.
        url: Where it is, or will be.
        state: `starting`, `up`, `ended` or `not started here`.
        log: Where it writes to; None for one that runs elsewhere.
    """

    name: str
    url: str
    state: str = "starting"
    log: Path | None = None


def screen(campaign: str, servers: Mapping[str, Server], counts: Counts | None, report: Path) -> Group:
    """Everything on one screen.

    Args:
        campaign: The campaign's name.
        servers: Name -> server.
        counts: The headline of its newest report; None if there is none yet.
        report: Where that report is.
    """
    table = Table("server", "address", "state", "log")
    for server in servers.values():
        style = {"up": "green", "ended": "red"}.get(server.state, "yellow")
        table.add_row(server.name, server.url, f"[{style}]{server.state}[/]", server.log.name if server.log else "")
    folder = next((server.log.parent for server in servers.values() if server.log), None)
    lines = [f"Logs: {folder}", f"Report: {report}", "Ctrl-C ends all of them."]
    return Group(f"Campaign {campaign}", _figures(counts), table, *lines)


def _figures(counts: Counts | None) -> Table | str:
    if counts is None:
        return "Nothing is reported yet: start a run in Dagster, or with `twig run`."
    columns = {
        "asked": counts.asked,
        "released as asked": counts.released_as_asked,
        "waiting for you": counts.waiting,
        "withheld": counts.withheld,
        "withdrawn since": counts.withdrawn,
        "not finished": counts.unfinished,
    }
    table = Table(*columns)
    table.add_row(*(str(count) for count in columns.values()))
    return table
