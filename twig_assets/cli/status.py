"""The command that says in one screen how an installation does: status."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from twig_assets.cli.app import CampaignRoot, console
from twig_assets.settings.home import catalog_url

if TYPE_CHECKING:
    from twig_assets.status import CampaignStatus, DagsterStatus, InstallationStatus

_COLUMNS = ("asked", "released", "waiting", "withheld", "withdrawn", "to_draw", "lacks", "unread", "inbox")


def status(
    root: CampaignRoot = Path("campaigns"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Say in one screen how everything does. Exit status 1 if somebody should see to something."""
    from twig_assets.catalog.database import open_existing_catalog
    from twig_assets.orchestration.dagster_status import dagster_status
    from twig_assets.status import installation_status

    said = installation_status(lambda: open_existing_catalog(catalog_url()), root, dagster_status)
    if as_json:
        print(json.dumps({**said.model_dump(mode="json"), "troubles": said.troubles}, indent=2))
    else:
        _show(said)
    raise typer.Exit(1 if said.troubles else 0)


def _show(said: "InstallationStatus") -> None:
    _show_campaigns(said)
    lines = [f"Queues: {said.notices} notifications, {said.figures} records for MLflow"]
    if said.dagster:
        lines += _dagster(said.dagster)
    elif not said.dagster_problem:
        lines.append("Dagster has not run here yet.")
    if said.ledger:
        lines.append(f"Ledger: {said.ledger.sequence}:{said.ledger.sha256}")
    lines += [f"Disk of {d.what}: {d.free / 1e9:.1f} GB of {d.size / 1e9:.1f} free" for d in said.disks]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for trouble in said.troubles:
        console.print(f"[red]{escape(trouble)}[/]", highlight=False, soft_wrap=True)
    if not said.troubles:
        console.print("Nothing is wrong.")


def _show_campaigns(said: "InstallationStatus") -> None:
    """A table, or a line for each campaign where the terminal is too narrow for one."""
    if not said.campaigns:
        console.print("There is no campaign yet.")
        return
    headings = [*(name.replace("_", " ") for name in _COLUMNS), "s/image"]
    table = Table("campaign", *headings)
    rows = {campaign.name: _figures(campaign) for campaign in said.campaigns}
    for name, figures in rows.items():
        table.add_row(escape(name), *figures)
    unbounded = console.options.update(max_width=1000)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    for name, figures in rows.items():
        words = ", ".join(f"{figure} {heading}" for figure, heading in zip(figures, headings, strict=True) if figure)
        console.print(f"{name}: {words}", markup=False, highlight=False, soft_wrap=True)


def _figures(campaign: "CampaignStatus") -> list[str]:
    """What a campaign's columns say."""
    values = (getattr(campaign, name) for name in _COLUMNS)
    seconds = "" if campaign.seconds_per_image is None else f"{campaign.seconds_per_image:.1f}"
    return [*(str(len(value) if isinstance(value, dict) else value) for value in values), seconds]


def _dagster(dagster: "DagsterStatus") -> list[str]:
    lines = [f"Runs: {dagster.queued} queued, {dagster.going_on} going on, {dagster.failed} failed within a day"]
    ticks = ", ".join(
        f"{tick.name} {tick.at:%H:%M:%S}{'' if tick.status in ('success', 'skipped') else ' ' + tick.status.upper()}"
        if tick.at
        else f"{tick.name} never"
        for tick in dagster.ticks
    )
    return [*lines, f"Last ticks (UTC): {ticks or 'none'}"]
