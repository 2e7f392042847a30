"""What `twig ui` shows: which servers answer, where the campaigns stand, and where everything else is written."""

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


def screen(counts: Mapping[str, Counts | None], servers: Mapping[str, Server], reports: Mapping[str, Path]) -> Group:
    """Everything on one screen.

    Args:
        counts: Name of each campaign -> the headline of its newest report; None if there is none yet.
        servers: Name -> server.
        reports: Name of each campaign -> where its report is.
    """
    table = Table("server", "address", "state", "log")
    for server in servers.values():
        style = {"up": "green", "ended": "red"}.get(server.state, "yellow")
        table.add_row(server.name, server.url, f"[{style}]{server.state}[/]", server.log.name if server.log else "")
    folder = next((server.log.parent for server in servers.values() if server.log), None)
    lines = [f"Logs: {folder}", *(f"Report of {name}: {page}" for name, page in reports.items())]
    return Group(_figures(counts), table, *lines, "Ctrl-C ends all of them.")


def _figures(counts: Mapping[str, Counts | None]) -> Table:
    table = Table(
        "campaign", "asked", "released as asked", "waiting for you", "withheld", "withdrawn since", "not finished"
    )
    for name, of_campaign in counts.items():
        table.add_row(name, *(_figures_of(of_campaign) if of_campaign else ["nothing is reported yet"]))
    return table


def _figures_of(counts: Counts) -> list[str]:
    figures = (
        counts.asked,
        counts.released_as_asked,
        counts.waiting,
        counts.withheld,
        counts.withdrawn,
        counts.unfinished,
    )
    return [str(figure) for figure in figures]
