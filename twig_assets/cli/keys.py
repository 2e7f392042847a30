"""Commands about who signs: keys create, keys use, keys check."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from twig_assets.cli.app import console, errors
from twig_assets.settings.home import artifact_root, catalog_url

keys_app = typer.Typer(no_args_is_help=True, help="Who signs what is released.")


@keys_app.command("create")
def create(
    days: Annotated[int, typer.Option(min=1, max=3650, help="For how long the test certificate is valid.")] = 90,
) -> None:
    """Make a TEST chain of certificates to try things out; nobody else trusts what it signs, and every page says so."""
    from twig_assets.provenance.keys import create_test_keys, keys_folder
    from twig_assets.provenance.watermark import create_key

    create_test_keys(days=days)
    create_key(keys_folder())
    _print(f"{keys_folder()}: a TEST chain and its key. Whoever reads a file that it signed is told that it is a test.")
    _print("From now on nothing is released without a credential, unless a policy says `credentials: off`.")
    _print("docs/marking.md says how to get a certificate that others trust.")


@keys_app.command("use")
def use(
    chain: Annotated[Path, typer.Option(help="Certificates in PEM: yours, its issuer's, and so on.")],
    key: Annotated[Path | None, typer.Option(help="The private key in PEM.")] = None,
    command: Annotated[str | None, typer.Option(help="A command that signs standard input.")] = None,
    module: Annotated[Path | None, typer.Option(help="The PKCS#11 library of a token.")] = None,
    token: Annotated[str, typer.Option(help="The token's label.")] = "",
    token_key: Annotated[str, typer.Option(help="The label of the token's key.")] = "",
    time_stamps: Annotated[str | None, typer.Option(help="Address of a server of time stamps (RFC 3161).")] = None,
    require_time_stamps: Annotated[bool, typer.Option(help="Release nothing without a time stamp.")] = False,
    revoked: Annotated[
        list[str] | None, typer.Option(help="A list of revoked certificates, by path or address; repeatable.")
    ] = None,
    ocsp: Annotated[str | None, typer.Option(help="Address of a responder (OCSP); else its own.")] = None,
    revocation: Annotated[
        str, typer.Option(help="`if_reachable`, `required` (unknown is refused) or `offline` (nobody is asked).")
    ] = "if_reachable",
) -> None:
    """Sign with a certificate of your own from now on. What is wrong with it is said, and then nothing changes."""
    from twig_assets.provenance.keys import TokenSettings, keys_folder, settings_from, use_keys
    from twig_assets.provenance.keys.settings import FILE
    from twig_assets.provenance.watermark import create_key

    settings = settings_from(
        chain=chain.absolute(),
        key=key.absolute() if key else None,
        command=tuple(shlex.split(command)) if command else (),
        token=TokenSettings(module=module, token=token, key=token_key) if module else None,
        time_stamp_url=time_stamps,
        time_stamp_required=require_time_stamps,
        revocation_lists=tuple(source if "://" in source else str(Path(source).absolute()) for source in revoked or []),
        ocsp_url=ocsp,
        revocation=revocation,
    )
    keys = use_keys(settings)
    create_key(keys_folder())
    warn(keys.revocation.warnings)
    _print(f"{keys_folder() / FILE}: this certificate signs from now on. It holds no secret.")


@keys_app.command("check")
def check() -> None:
    """Say whether a picture could be signed now, and all that keeps it from that. Exit status 1 if something does."""
    from twig_assets.provenance.keys import key_report

    report = key_report()
    for line in report.lines:
        _print(line)
    warn(report.warnings)
    for problem in report.problems:
        console.print(f"[red]{escape(problem)}[/]", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if report.problems else 0)


@keys_app.command("stamp")
def stamp() -> None:
    """Add a time stamp to the releases that were signed without one. Exit status 1 if some still lack one."""
    from twig_assets.catalog.database import open_existing_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.provenance.stamping import stamp_releases

    catalog = open_existing_catalog(catalog_url())
    stamped = stamp_releases(catalog, ArtifactStore(artifact_root()))
    catalog.close()
    for trouble in stamped.troubles:
        errors.print(f"[yellow]{escape(trouble)}[/]", highlight=False, soft_wrap=True)
    _print(f"{stamped.sentence()}.")
    raise typer.Exit(1 if stamped.waiting else 0)


def warn(warnings: Iterable[str]) -> None:
    """Say what nobody could say of the certificate that signs."""
    for warning in warnings:
        errors.print(f"[yellow]{escape(warning)}[/]", highlight=False, soft_wrap=True)


def _print(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
