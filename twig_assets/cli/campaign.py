"""Commands that make, run and look at a campaign: run, report, prompts."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from twig_assets.cli.app import CampaignName, CampaignRoot, console, interruptible, use_one_thread
from twig_assets.cli.operations import send_figures
from twig_assets.settings.home import catalog_url, home, mlflow_port, quiet_model_libraries, ui_port


def run(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Run a whole campaign: ablate, generate, mask, regenerate, audit, release, report. Goes on where it stopped."""
    from twig_assets.campaign import load_campaign
    from twig_assets.orchestration.runner import CampaignRunner

    use_one_thread()
    settings = load_campaign(campaign, root)
    with interruptible("What was finished"):
        CampaignRunner(settings, console).run()
    send_figures()
    print_summary(campaign, root)


def report(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Write the compliance report again from the catalog and print its path."""
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.reports import collect, render, report_path
    from twig_assets.settings.home import artifact_root

    settings = load_campaign(campaign, root)
    with open_catalog(catalog_url()).session() as session:
        data = collect(session, settings, ArtifactStore(artifact_root()))
    render(data, report_path(settings.name))
    print_summary(campaign, root)


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


def print_summary(campaign: str, root: Path) -> None:
    """Print what a campaign has come to, and where its report and its state are."""
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.reports import collect, report_path
    from twig_assets.settings.home import artifact_root

    with open_catalog(catalog_url()).session() as session:
        counts = collect(session, load_campaign(campaign, root), ArtifactStore(artifact_root())).counts
    table = Table("prompts", "images", "failed", "released", "quarantined", "worst released SSIM")
    worst = "-" if counts.worst_released_ssim is None else f"{counts.worst_released_ssim:.3f}"
    figures = (counts.prompts, counts.images, counts.failed, counts.released, counts.quarantined)
    table.add_row(*map(str, figures), worst)
    console.print(table)
    console.print(f"Report: {report_path(campaign)}", soft_wrap=True)
    console.print(
        f"State:  {home()}   `make ui` shows it on http://127.0.0.1:{ui_port()} and :{mlflow_port()}", soft_wrap=True
    )
