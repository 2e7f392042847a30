"""Commands that make, run and look at a campaign: run, report, prompts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from twig_assets.cli.app import CampaignName, CampaignRoot, console, interruptible, use_one_thread
from twig_assets.cli.operations import send_figures
from twig_assets.settings.home import catalog_url, desk_port, home, mlflow_port, quiet_model_libraries, ui_port

if TYPE_CHECKING:
    from twig_assets.reports import ReportData, Summary
    from twig_assets.reports.data import Counts

# As many as can be read at a glance after a run.
HELD_SHOWN = 12
FIGURES_SECONDS = 60
"""How long a run that is over sends MLflow what it had not taken, while somebody may be waiting for the summary."""


def run(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Run a whole campaign: ablate, generate, mask, regenerate, audit, release, report. Goes on where it stopped.

    Exit status 3 if works were not compared, which holds releases back, and nobody accepted that.
    """
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.check import require_sound
    from twig_assets.orchestration.runner import CampaignRunner

    use_one_thread()
    settings = load_campaign(campaign, root)
    quiet_model_libraries()
    for note in require_sound(settings):
        _print(note)
    with interruptible("What was finished"):
        CampaignRunner(settings, console).run()
    send_figures(within=FIGURES_SECONDS)
    if print_summary(campaign, root).holding:
        raise typer.Exit(3)


def report(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Write the compliance report again from the catalog and print its path."""
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.reports import write_report
    from twig_assets.settings.home import artifact_root

    written = write_report(load_campaign(campaign, root), open_catalog(catalog_url()), ArtifactStore(artifact_root()))
    print_data(written.data)


def prompts(
    images: Annotated[Path, typer.Argument(help="A picture, or a folder of pictures: of a brief, say.")],
    out: Annotated[Path, typer.Option(help="The prompts file to write, such as campaigns/NAME/prompts_auto.yaml.")],
    template: Annotated[list[str] | None, typer.Option(help="A text with {caption}; repeatable.")] = None,
    captioner: Annotated[str | None, typer.Option(help="An image-to-text model such as BLIP: folder, hub id.")] = None,
    campaign: CampaignName = "demo",
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Make prompts from pictures: captioned (by the embedded CLIP), set into templates, protected words rewritten."""
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.prompts_from_pictures import write_prompts

    quiet_model_libraries()
    written = write_prompts(images, out, load_campaign(campaign, root), template, captioner)
    for text, before in written.items():
        console.print(text if text == before else f"{text}   (was: {before})", markup=False, soft_wrap=True)
    console.print(f"{len(written)} prompts: {out}", soft_wrap=True, markup=False)


def print_summary(campaign: str, root: Path) -> "Summary":
    """Print what a campaign has come to, what waits for a person, and where its report and its state are."""
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.reports import collect

    with open_catalog(catalog_url()).snapshot() as session:
        data = collect(session, load_campaign(campaign, root))
    print_data(data)
    return data.summary


def print_data(data: "ReportData") -> None:
    """Print the same of a report that was read."""
    from twig_assets.reports import report_path

    summary = data.summary
    console.print(_headline(summary.counts))
    _print(_figures(summary.counts))
    _print_unread(summary)
    _print_held(data)
    page = report_path(summary.campaign)
    _print(f"Report: {page}   to mail: {page.with_suffix('.zip')}")
    _print(
        f"State:  {home()}   `make ui` shows it on http://127.0.0.1:{desk_port()}, :{ui_port()} and :{mlflow_port()}"
    )


def _headline(counts: "Counts") -> Table:
    """The prompts by what became of them; beside the four that always show, those that are not zero."""
    columns = [
        ("asked", counts.asked, True),
        ("released as asked", counts.released_as_asked, True),
        ("released by a person", counts.released_waived, False),
        ("released although the judge cannot tell", counts.released_cannot_tell, False),
        ("released, to be judged", counts.released_unjudged, False),
        ("released, to be withdrawn", counts.released_unsafe, False),
        ("waiting", counts.waiting, True),
        ("withheld", counts.withheld, True),
        ("withdrawn since", counts.withdrawn, False),
        ("not finished", counts.unfinished, False),
    ]
    shown = [(name, count) for name, count, always in columns if always or count]
    table = Table(*(name for name, _ in shown))
    table.add_row(*(str(count) for _, count in shown))
    return table


def _figures(counts: "Counts") -> str:
    line = f"{counts.images} images, {counts.failed} of them too similar to a protected work"
    if counts.released_narrowly:
        line = (
            f"Of those released as asked, the judge finds {counts.released_narrowly} nearer to something else. {line}"
        )
    if counts.worst_released_ssim is None:
        return f"{line}."
    return f"{line}; of those released none is nearer to one than SSIM {counts.worst_released_ssim:.3f}."


def _print_unread(data: "Summary") -> None:
    """Say which works were not compared, and what that holds back."""
    from twig_assets.compliance.held import accept_step

    if data.complete:
        return
    console.print("[red]The comparison is incomplete[/]: these works were not, or not wholly, compared", soft_wrap=True)
    for work in data.unread:
        _print(f"  {work.file}: {work.reason}{f' (accepted, {work.accepted})' if work.accepted else ''}")
    if data.holding:
        _print(f"Nothing more is released until then: {accept_step(data.campaign)}.")


def _print_held(data: "ReportData") -> None:
    """Say why prompts wait or are withheld, some of them, and which command goes on."""
    lines = data.held
    for line in lines[:HELD_SHOWN]:
        _print(f"  {line.outcome}: {line.text}: {line.why}")
    if len(lines) > HELD_SHOWN:
        _print(f"  and {len(lines) - HELD_SHOWN} more")
    if lines:
        name = data.summary.campaign
        _print(f"Decide on them: `twig desk` in the browser, or `twig review --campaign {name}` lists them all.")
    counts, command = data.summary.counts, f"`twig run --campaign {data.summary.campaign}`"
    if counts.unfinished:
        _print(f"{counts.unfinished} not finished: {command} goes on.")
    if counts.released_unjudged or counts.released_unsafe:
        _print(f"Released images lack a verdict of the day, or comply no longer: {command} judges and withdraws them.")


def _print(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
