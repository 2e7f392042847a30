"""Commands that look before work begins: check, doctor."""

from pathlib import Path

import typer
from rich.markup import escape

from twig_assets.cli.app import CampaignName, CampaignRoot, console, errors, use_one_thread
from twig_assets.settings.home import quiet_model_libraries


def check(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Say everything that is wrong with a campaign at once, without reading weights. Exit status 1 if it cannot run."""
    from twig_assets.campaign.check import check_campaign

    use_one_thread()
    quiet_model_libraries()
    checked = check_campaign(campaign, root)
    for problem in checked.problems:
        errors.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    for note in checked.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    count = len(checked.problems)
    console.print(f"{count} problem{'' if count == 1 else 's'}." if count else "Nothing is in the way of a run.")
    raise typer.Exit(1 if count else 0)


def doctor() -> None:
    """Say what this machine can do: devices, memory, disk, extras, database, settings. Exit status 1 if too little."""
    from rich.table import Table

    from twig_assets.orchestration.doctor import examine

    table = Table(show_header=False)
    findings = examine()
    for finding in findings:
        table.add_row(finding.name, escape(finding.text) if finding.fine else f"[red]{escape(finding.text)}[/]")
    console.print(table)
    raise typer.Exit(0 if all(finding.fine for finding in findings) else 1)
