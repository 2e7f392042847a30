"""The commands that hand out what is released, and check what was handed out: export, export verify."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twig_assets.cli.app import CampaignRoot, console, the_campaign
from twig_assets.cli.keys import warn
from twig_assets.cli.marking import CORNER, label_settings
from twig_assets.settings.home import artifact_root, catalog_url

if TYPE_CHECKING:
    from twig_assets.export import Exported

NAMED = 12
export_app = typer.Typer(invoke_without_command=True, help="Hand out the released images with their evidence.")


@export_app.callback()
def export(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="The folder to make; it must not exist yet, or be empty.")] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Folder below campaigns/; the only one if none is named.")
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="Write the same into OUT.zip as well.")] = False,
    label: Annotated[bool, typer.Option("--label", help="Draw a visible label; that changes the pixels.")] = False,
    label_text: Annotated[str, typer.Option(help="The label's words.")] = "AI",
    label_corner: Annotated[str, typer.Option(help="bottom-right, bottom-left, top-right or top-left.")] = CORNER,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Hand out the released images with their evidence. Nothing that waits, was rejected or withdrawn gets in."""
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise typer.BadParameter("say where to, such as --out spring-2026", param_hint="--out")
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_existing_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.cli.bars import bar
    from twig_assets.export import write_export
    from twig_assets.export.signed_copies import SignedCopies, files_of_releases
    from twig_assets.provenance.keys import ready_keys, signing_settings

    settings = load_campaign(campaign or the_campaign(root), root)
    catalog, store = open_existing_catalog(catalog_url()), ArtifactStore(artifact_root())
    drawn = label_settings(label_text, label_corner) if label else None
    keys = ready_keys() if drawn and signing_settings() else None
    warn(keys.revocation.warnings if keys else ())
    with catalog.snapshot() as session:
        finish = SignedCopies(files_of_releases(session, settings.name), store, drawn, keys)
    with bar("images") as progress:
        exported = write_export(
            settings, catalog, store, out, zipped=zipped, finish=finish, label=drawn, progress=progress
        )
    _print_exported(exported)


def _print_exported(exported: "Exported") -> None:
    manifest = exported.manifest
    _print(f"{len(manifest.images)} images of {manifest.campaign}: {exported.folder}")
    if exported.zip:
        _print(f"The same as one file: {exported.zip}")
    for one in manifest.left_out[:NAMED]:
        _print(f"  left out, although it is published: {one.prompt} ({one.why})")
    if len(manifest.left_out) > NAMED:
        _print(f"  and {len(manifest.left_out) - NAMED} more; manifest.json has them")
    recalled = [one for one in manifest.withdrawn if one.exports]
    for gone in recalled[:NAMED]:
        _print(f"  withdrawn since it was exported ({', '.join(gone.exports)}): {gone.prompt}: {gone.reason}")
    if recalled:
        _print(f"{len(recalled)} images of earlier exports were withdrawn; tell those who have them (withdrawn.csv).")
    _print(f"Seal: {exported.seal}")
    _print(f"Keep the seal: `twig export verify {exported.folder} --seal SEAL` finds whatever is changed after this.")


@export_app.command()
def verify(
    place: Annotated[Path, typer.Argument(help="An export's folder, or its zip.")],
    seal: Annotated[str | None, typer.Option(help="What `twig export` printed as the seal.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find changed, missing and added files of an export, without the catalog. Exit status 1 if there are any."""
    from twig_assets.export import verify_export

    problems = verify_export(place, seal)
    if as_json:
        sys.stdout.write(json.dumps({"sealed": bool(seal), "problems": [asdict(one) for one in problems]}) + "\n")
    else:
        for problem in problems:
            _print(f"{problem.file}: {problem.what}")
        outcome = f"{len(problems)} files are not as they were exported." if problems else "All is as it was exported."
        _print(outcome if seal or problems else f"{outcome} Without --seal the list of hashes is taken on trust.")
    raise typer.Exit(1 if problems else 0)


def _print(text: str) -> None:
    """Print a line as one line, whatever the names of files and prompts hold: they may come from somebody else."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    console.print(text, soft_wrap=True, markup=False, highlight=False)
