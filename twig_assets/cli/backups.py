"""Commands that copy what is on record and put it back: backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from twig_assets.cli.app import console
from twig_assets.settings.home import artifact_root, catalog_url, home


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it goes; must not exist yet.")],
    no_artifacts: Annotated[
        bool, typer.Option("--no-artifacts", help="Check artifacts and say where they lie, without copying them.")
    ] = False,
) -> None:
    """Copy catalog, artifacts, reports, Dagster's and MLflow's records, while others go on writing. Keys stay."""
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.evidence.backup import back_up

    made = back_up(catalog_url(), ArtifactStore(artifact_root()), home(), folder, copy_artifacts=not no_artifacts)
    where = "copied" if made.artifacts == "copied" else f"checked, and left at {made.artifacts}"
    console.print(f"{folder}: {len(made.files)} files; artifacts {where}.", soft_wrap=True, highlight=False)
    if made.head:
        console.print(f"The ledger's head in it is {made.head}; keep that elsewhere.", soft_wrap=True, highlight=False)
    console.print("Not in it: keys, and the campaigns' folders; copy these by themselves.", highlight=False)


def restore(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A backup.")]) -> None:
    """Put a backup back into a state folder where nothing is yet (TWIG_HOME), after checking all of it."""
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.evidence.backup import restore as put_back

    backup = put_back(folder, catalog_url(), ArtifactStore(artifact_root()), home())
    left = "" if backup.artifacts == "copied" else f" Its artifacts are still at {backup.artifacts}."
    console.print(f"Put back as of {backup.made_at}.{left} `twig verify` checks all of it.", soft_wrap=True)
