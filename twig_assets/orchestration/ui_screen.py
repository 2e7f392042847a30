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


def screen(counts: Mapping[str, Counts | None], servers: Mapping[str, Server], home: Path) -> Group:
    """Everything on one screen.

    Args:
        counts: Name of each campaign -> the headline of its newest report; None if there is none yet.
        servers: Name -> server.
        home: The state folder.
    """
    table = Table("server", "address", "state", "log")
    for server in servers.values():
        style = {"up": "green", "ended": "red"}.get(server.state, "yellow")
        table.add_row(server.name, server.url, f"[{style}]{server.state}[/]", server.log.name if server.log else "")
    places = f"Logs: {home / 'logs'}   Reports: {home / 'reports'}"
    return Group(_figures(counts), table, places, "Ctrl-C ends all of them.")


def _figures(counts: Mapping[str, Counts | None]) -> Table:
    """A row for each campaign; what waits for a person has a column of its own."""
    table = Table("campaign", "asked", "released as asked", "waiting for you", "withheld", "withdrawn", "not finished")
    for name, c in counts.items():
        if c is None:
            table.add_row(name, "not reported yet")
            continue
        figures = (c.asked, c.released_as_asked, c.waiting, c.withheld, c.withdrawn, c.unfinished)
        table.add_row(name, *map(str, figures))
    return table
