"""Commands that check and show what is on record: verify, lineage, whence."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from twig_assets.cli.app import CampaignRoot, console


def verify(
    files: Annotated[list[Path] | None, typer.Argument(help="Published files to check besides.")] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="SEQUENCE:SHA256", help="A ledger's head that you kept; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find altered audits, decisions, releases and artifacts, and what is wrong with FILE. Exit status 1 if so."""
    from twig_assets.evidence.verification import verify_everything

    verification = verify_everything(head or [])
    if files:
        # Reading credentials loads their library.
        from twig_assets.provenance.published import verify_published

        verification = replace(verification, findings=[*verification.findings, *verify_published(files)])
    if as_json:
        sys.stdout.write(verification.to_json() + "\n")
    else:
        for finding in verification.findings:
            console.print(
                f"[red]{escape(finding.subject)}[/]: {escape(finding.problem)}", highlight=False, soft_wrap=True
            )
        console.print(verification.summary(), highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1 if verification.findings else 0)


def lineage(
    image: Annotated[str, typer.Argument(help="An image's file, its id, or the first digits of its sha256.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Print where one image comes from and what was decided about it: prompt, model, masks, audits, reviews, runs."""
    from twig_assets.evidence.lineage_runs import image_lineage
    from twig_assets.evidence.lineage_tree import lineage_tree

    history = image_lineage(image, root)
    if as_json:
        sys.stdout.write(history.model_dump_json(indent=2) + "\n")
    else:
        # A tree is cut off at its console's width, soft wrap or not, and evidence must not be.
        Console(width=10_000).print(lineage_tree(history), soft_wrap=True)


def whence(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures, of whatever origin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file, a line each.")] = False,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Say whose a picture is and whether it is released today: by credential, watermark, then fingerprint.

    Exit status 0: every file is a release that stands. 1: one is ours and is not released today, or the ledger
    contradicts it. 3: one is not known to be ours. 4: one is ours, and no catalog knows what became of it. Of several,
    the first of 1, 4, 3.
    """
    from twig_assets.provenance.whence import opened_whence

    contents = [(file, file.read_bytes()) for file in files]
    standings = set()
    with opened_whence(root) as asked:
        for file, content in contents:
            answer = asked.ask(content, str(file))
            standings.add(answer.standing)
            if as_json:
                sys.stdout.write(answer.model_dump_json() + "\n")
            else:
                console.print("\n".join(answer.lines()), highlight=False, soft_wrap=True, markup=False)
    worst = {"not released": 1, "contradicted": 1, "status unknown": 4, "unknown": 3}
    raise typer.Exit(next((status for standing, status in worst.items() if standing in standings), 0))
