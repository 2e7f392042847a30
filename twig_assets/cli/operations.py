"""Commands that keep an installation going: ui, track, instance, gc, db upgrade, db check."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from twig_assets.cli.app import CampaignRoot, console, errors
from twig_assets.settings.home import catalog_url, mlflow_artifacts, mlflow_url, spool_folder, tracking_uri

db_app = typer.Typer(no_args_is_help=True, help="The catalog's schema.")


def ui(
    campaign: Annotated[
        list[str] | None,
        typer.Option("--campaign", help="One that Dagster works on; may be given several times. All, if left out."),
    ] = None,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Open the desk, Dagster and MLflow on loopback; Ctrl-C ends all. TWIG_UI_PORT and the like choose other ports."""
    from twig_assets.campaign import campaign_names, load_campaign
    from twig_assets.orchestration.servers import serve

    for name in campaign or campaign_names(root) or ["demo"]:
        load_campaign(name, root)
    raise typer.Exit(serve(root, ",".join(campaign or []), console))


def track() -> None:
    """Send MLflow the figures that it did not take when they were made. Exit status 1 if some still wait."""
    raise typer.Exit(0 if send_figures() else 1)


def send_figures(within: float = math.inf) -> bool:
    """Send MLflow the figures that wait, say how many, and return whether none waits any more.

    Args:
        within: Seconds after which the rest is left to wait, however fast MLflow is.
    """
    from twig_assets.tracking import Sender, Spool

    spool = Spool(spool_folder())
    if not spool.waiting():
        return True
    sent, troubles = Sender(tracking_uri(), mlflow_artifacts(), mlflow_url(), spool).flush(within)
    for trouble in troubles:
        errors.print(f"[yellow]{escape(trouble)}[/]", highlight=False, soft_wrap=True)
    left = len(spool.waiting())
    outcome = (
        f"{left} still wait in {spool.folder}; `twig track` sends them" if left else f"{sent} sent that had waited"
    )
    console.print(f"MLflow: figures of materializations: {outcome}.", highlight=False, soft_wrap=True, markup=False)
    return not left


def instance() -> None:
    """Write Dagster's settings for what TWIG_EXECUTION and TWIG_DAGSTER_URL say, and print the folder.

    For services that start programs of Dagster: `DAGSTER_HOME=$(twig instance) dagster-daemon run ...`.
    """
    from twig_assets.orchestration.dagster_home import prepare_dagster_home

    typer.echo(prepare_dagster_home())


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it they are only listed.")] = False,
    grace_hours: Annotated[
        float,
        typer.Option(min=1, help="Younger files stay: a batch that is being drawn may be about to refer to them."),
    ] = 24,
) -> None:
    """List artifacts that no row of the catalog refers to; reports are kept."""
    from twig_assets.catalog.database import open_existing_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.evidence.garbage import HOUR, find_garbage, remove
    from twig_assets.settings.home import artifact_root

    catalog = open_existing_catalog(catalog_url())
    garbage = find_garbage(catalog, ArtifactStore(artifact_root()), grace_hours * HOUR)
    catalog.close()
    listed = []
    for file in remove(garbage) if delete else garbage:
        console.print(str(file.path), soft_wrap=True, markup=False, highlight=False)
        listed.append(file)
    size = sum(file.size for file in listed) / 1e6
    done = "deleted" if delete else "not deleted; --delete does it"
    console.print(f"{len(listed)} files that nothing refers to, {size:.1f} MB, {done}.", highlight=False)


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the catalog's tables up to this version."""
    from twig_assets.catalog.database import schema_state, upgrade

    before = schema_state(catalog_url())
    upgrade(catalog_url())
    console.print("The catalog was up to date already." if before == "current" else "The catalog is up to date now.")


@db_app.command("check")
def db_check() -> None:
    """Say whether the catalog fits this version; exit status 1 if it does not."""
    from twig_assets.catalog.database import schema_problem, schema_state

    problem = schema_problem(catalog_url())
    console.print(problem or schema_state(catalog_url()), soft_wrap=True, markup=False)
    raise typer.Exit(1 if problem else 0)
