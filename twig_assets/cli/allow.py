"""The command that says what may be shown of protected works: allow."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from twig_assets.cli.app import CampaignRoot, console, the_campaign
from twig_assets.settings.home import catalog_url

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from twig_assets.catalog.models import AllowedElement
    from twig_assets.folder_audit.allowed import Element


def allow(
    work: Annotated[str | None, typer.Argument(help="The work: its file, its title, or its sha256.")] = None,
    kind: Annotated[str, typer.Option(help="`licensed` to you, or `generic`, which is nobody's own.")] = "licensed",
    who: Annotated[str, typer.Option(help="Who decides.")] = "",
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H", help="Only this part, in percent from the left and the top; repeatable."),
    ] = None,
    all_but: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Only what is outside this part, such as a frame.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="The last day; without it there is no end.")] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In all campaigns that have this work.")] = False,
    lift: Annotated[int | None, typer.Option(help="Take back the element of this number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON on standard output.")] = False,
    out: Annotated[Path | None, typer.Option(help="The output of a `twig audit`, in place of a campaign.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Folder below campaigns/; may be left out if it is one.")] = None,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Say that a protected work, or a part of it, may be shown; without WORK, list what may. Nothing else is let by."""
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.allowed_elements import allow as write_down
    from twig_assets.campaign.allowed_elements import described, lift_element
    from twig_assets.campaign.element_parts import all_but as outside
    from twig_assets.catalog.database import open_catalog

    if work is not None and lift is not None:
        raise typer.BadParameter("takes back what was allowed; leave WORK out", param_hint="--lift")
    if work is None and lift is None and (who or why or part or all_but or until):
        raise typer.BadParameter("names no work; `twig allow` lists what is allowed", param_hint="WORK")
    if part and all_but:
        raise typer.BadParameter("is of no use with --part; give one of them", param_hint="--all-but")
    shares = [_shares(text, "--part") for text in part or ()]
    others = outside(_shares(all_but, "--all-but")) if all_but else ()
    if out is not None:
        if campaign is not None or everywhere:
            raise typer.BadParameter("is a folder audit's and no campaign's; leave the others out", param_hint="--out")
        _in_folder(out, work, kind, who, why, [*shares, *others], until, lift, as_json)
        return
    name = load_campaign(campaign or the_campaign(root), root).name
    with open_catalog(catalog_url()).session() as session:
        if lift is not None:
            lifted = lift_element(session, name, lift, who, why)
            _say(f"No longer allowed: {described(lifted)}.")
        elif work is not None:
            made = write_down(
                session, name, work, kind, who, why,  # type: ignore[arg-type]
                parts=[*shares, *others], until=until, everywhere=everywhere,
            )  # fmt: skip
            _say(f"Allowed: {described(made)}.")
        else:
            _list(session, name, as_json)
            return
    _say(f"Next: twig run --campaign {name} judges the images that this concerns.")


def _list(session: "Session", name: str, as_json: bool) -> None:
    from twig_assets.campaign.allowed_elements import as_row, element_states

    states = element_states(session, name)
    if as_json:
        _say_json([as_row(state) for state in states])
    else:
        _say_table([(state.element.id, state.element, state.standing) for state in states])


def _in_folder(
    out: Path,
    work: str | None,
    kind: str,
    who: str,
    why: str,
    parts: list[tuple[float, float, float, float]],
    until: str | None,
    number: int | None,
    as_json: bool,
) -> None:
    from twig_assets.folder_audit.allowed import allow as write_down
    from twig_assets.folder_audit.allowed import lift, read_elements, standing

    if number is not None:
        _say(f"No longer allowed: {lift(out, number, who, why).described}.")
    elif work is not None:
        _say(f"Allowed: {write_down(out, work, kind, who, why, parts, until).described}.")
    else:
        elements = read_elements(out)
        listed = [(one, standing(one, elements)) for one in elements if one.decision == "allow"]
        if as_json:
            _say_json([{**one.model_dump(mode="json"), "today": today} for one, today in listed])
        else:
            _say_table([(one.number, one, today) for one, today in listed])
        return
    _say(
        "Run twig audit again, with the same --out: images that did not pass beside this work are looked at once more."
    )


def _say_json(rows: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")


def _say_table(rows: "Sequence[tuple[int, AllowedElement | Element, str]]") -> None:
    """A row for each element: its number, the element, and what it comes to today."""
    from twig_assets.campaign.element_parts import parts_in_words

    table = Table("number", "work", "what", "kind", "until", "who", "why", "today")
    for number, element, today in rows:
        what = parts_in_words(element.parts) if element.parts else "all of it"
        cells = (element.title, what, element.kind, element.until or "", element.who, element.why, today)
        table.add_row(str(number), *map(escape, cells))
    console.print(table if rows else "Nothing is allowed: every image is compared with all works as they are.")


def _shares(text: str, option: str) -> tuple[float, float, float, float]:
    """A part in percent as shares."""
    try:
        x, y, width, height = (float(number) / 100 for number in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not X,Y,W,H in percent, such as 0,0,100,12", param_hint=option
        ) from error
    return x, y, width, height


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
