"""The command that opens the desk: desk."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twig_assets.cli.app import CampaignRoot, console
from twig_assets.settings.home import artifact_root, catalog_url, desk_port

if TYPE_CHECKING:
    from twig_assets.status import DagsterStatus


def desk(
    root: CampaignRoot = Path("campaigns"),
    add_user: Annotated[
        str | None, typer.Option(help="Print a line for TWIG_DESK_USERS, asking for a password.")
    ] = None,
    role: Annotated[str, typer.Option(help="Of the new user: reader, reviewer or approver.")] = "reviewer",
) -> None:
    """Decide on images in the browser, on loopback; Ctrl-C ends it. TWIG_DESK_PORT chooses another port than 3100."""
    if add_user is not None:
        console.print(_line(add_user, role), markup=False, highlight=False, soft_wrap=True)
        return
    import uvicorn

    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.desk import desk_app, read_settings

    settings = read_settings()
    catalog, store = open_catalog(catalog_url()), ArtifactStore(artifact_root())
    app = desk_app(catalog, store, root, settings, _sensors_run, _others, _dagster)
    console.print(f"Desk on http://127.0.0.1:{desk_port()}; Ctrl-C ends it.", highlight=False)
    if not settings.has_accounts:
        console.print("No accounts (TWIG_DESK_USERS): names are taken on trust.", highlight=False)
    # What a proxy says of who is behind it is for the desk to judge, and anybody here may say it.
    uvicorn.run(
        app, host="127.0.0.1", port=desk_port(), log_level="warning", server_header=False, proxy_headers=False
    )  # fmt: skip


def _sensors_run() -> bool:
    """Whether Dagster's daemon looks for work; asked for when it matters, since Dagster takes seconds to load."""
    from twig_assets.orchestration.dagster_status import sensors_run

    return sensors_run()


def _others() -> list[tuple[str, str]]:
    """Dagster and MLflow, where they answer: a link that ends nowhere is worse than none."""
    import socket
    from urllib.parse import urlsplit

    from twig_assets.settings.home import mlflow_url, ui_port

    answering = []
    for name, url in (("Dagster", f"http://127.0.0.1:{ui_port()}"), ("MLflow", mlflow_url())):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout=0.3).close()
        except OSError:
            continue
        answering.append((name, url))
    return answering


def _dagster() -> "DagsterStatus | None":
    """Dagster's runs and ticks, for the metrics; asked for when it matters, as above."""
    from twig_assets.orchestration.dagster_status import dagster_status

    return dagster_status()


def _line(name: str, role: str) -> str:
    """An account's line, with a password that is asked for and never shown."""
    import argon2

    from twig_assets.desk.settings import ROLES

    name = " ".join(name.split())
    if not name or ":" in name or not name.isprintable():
        raise typer.BadParameter("must be a name without a colon", param_hint="--add-user")
    if role not in ROLES:
        raise typer.BadParameter(f"must be one of {', '.join(ROLES)}", param_hint="--role")
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return f"{name}:{role}:{argon2.PasswordHasher().hash(password)}"
