"""Commands that keep protected works described on disk: index build, add, remove, info."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from twig_assets.cli.app import (
    Address,
    EngineOption,
    Workers,
    brought,
    chosen_engine,
    console,
    errors,
    interruptible,
)

if TYPE_CHECKING:
    from twig_assets.similarity.index.build import Changes

index_app = typer.Typer(no_args_is_help=True, help="Protected works, described once and searched from disk.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The index.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="A policy.yaml: names further descriptors.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
AllowUnread = Annotated[bool, typer.Option("--allow-unread", help="No exit status 3 for works that cannot be read.")]


@index_app.command()
def build(
    folder: Folder,
    references: Annotated[
        list[str],
        typer.Option(help="Folder of the works, perhaps with a references.csv, or one file; path or URL; repeatable."),
    ],
    policy: PolicyFile = None,
    sample: Annotated[int, typer.Option(min=0, help="Copies looked for at the end, to see what is missed.")] = 36,
    workers: Workers = None,
    engine: EngineOption = "processes",
    address: Address = None,
    allow_unread: AllowUnread = False,
    as_json: Json = False,
) -> None:
    """Describe works and make an index of them. Exit status 3 if one could not be read."""
    from twig_assets.engines import opened_engine
    from twig_assets.folder_audit.progress import Bar
    from twig_assets.similarity.index import build as building

    settings = chosen_engine(engine, workers, address)
    with interruptible("What was described"), opened_engine(settings) as opened:
        places = [brought(place, settings) for place in references]
        files = building.works_in([path for path, _ in places])
        copies = tuple(copy for _, of_place in places for copy in of_place)
        elsewhere = building.Elsewhere(opened, _thresholds(policy), copies)
        with Bar("describing works", "files", on=True) as bar:
            changes = building.build_index(folder, files, _sources(policy), bar.reach, elsewhere)
    if sample:
        _check(folder, policy, sample)
    _report(folder, changes, allow_unread, as_json)


@index_app.command()
def add(
    folder: Folder,
    works: Annotated[list[Path], typer.Argument(help="Files of works, or folders.")],
    policy: PolicyFile = None,
    allow_unread: AllowUnread = False,
    as_json: Json = False,
) -> None:
    """Add works; those that the index has are not read again. Exit status 3 if one could not be read."""
    from twig_assets.folder_audit.progress import Bar
    from twig_assets.similarity.index import build as building

    sources = _sources(policy)
    with interruptible("What was described"), Bar("describing works", "files", on=True) as bar:
        changes = building.add_works(folder, building.works_in(works), sources, bar.reach)
    _report(folder, changes, allow_unread, as_json)


@index_app.command()
def remove(
    folder: Folder,
    works: Annotated[list[str], typer.Argument(help="Files of works, which may be gone, or their SHA-256.")],
    as_json: Json = False,
) -> None:
    """Take works out. Their files are left alone."""
    from twig_assets.similarity.index.build import remove_works

    _report(folder, remove_works(folder, works), True, as_json)


@index_app.command()
def info(
    folder: Folder,
    check: Annotated[
        bool, typer.Option("--check", help="Also measure what a search misses, and keep the figures.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Also read every file and compare its hash.")] = False,
    policy: PolicyFile = None,
    sample: Annotated[int, typer.Option(min=1, help="Of --check: how many copies are looked for.")] = 36,
    as_json: Json = False,
) -> None:
    """Say what an index holds. Exit status 1 if --verify finds a file that is not as it was written."""
    from twig_assets.similarity.index.info import damaged_files, described

    if check:
        _check(folder, policy, sample)
    facts = described(folder)
    damaged = damaged_files(folder) if verify else []
    if verify:
        facts["damaged"] = damaged
    _show(facts, as_json)
    for name in damaged:
        errors.print(f"[red]damaged[/] {escape(name)}: restore it, or build the index again", soft_wrap=True)
    raise typer.Exit(1 if damaged else 0)


def _sources(policy: Path | None) -> list[Any]:
    from twig_assets.similarity import opened_sources

    return opened_sources(_thresholds(policy))


def _thresholds(policy: Path | None) -> dict[str, Any]:
    from twig_assets.similarity import Policy, read_policy

    return (read_policy(policy) if policy else Policy()).model_dump()


def _check(folder: Path, policy: Path | None, sample: int) -> None:
    from twig_assets.similarity import Policy, read_policy
    from twig_assets.similarity.index.check import check_index

    check_index(folder, read_policy(policy) if policy else Policy(), sample)


def _report(folder: Path, changes: "Changes", allow_unread: bool, as_json: bool) -> None:
    from twig_assets.similarity.index.info import described

    unread = [{"file": work.path, "reason": work.reason} for work in changes.unread]
    counts = {"added": changes.added, "known": changes.known, "removed": changes.removed}
    _show({**counts, "duplicates": changes.duplicates, "unread": unread, "index": described(folder)}, as_json)
    for work in unread:
        errors.print(f"[yellow]not described[/] {escape(work['file'])}: {escape(work['reason'])}", soft_wrap=True)
    if unread and not allow_unread:
        hint = "their copies cannot be found; mend them and add them, or accept that with --allow-unread"
        errors.print(f"[red]The index is incomplete[/]: {hint}", soft_wrap=True)
    raise typer.Exit(3 if unread and not allow_unread else 0)


def _show(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return
    table = Table("", "")
    for name, value in _flat(facts):
        table.add_row(name, escape(value))
    console.print(table)


def _flat(facts: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{before}{name}: ")
        elif isinstance(value, list):
            rows.append((f"{before}{name}", str(len(value))))
        else:
            rows.append((f"{before}{name}", f"{value:,}" if isinstance(value, int) else str(value)))
    return rows
