"""The command that writes credentials into files: mark."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twig_assets.cli.app import console, errors
from twig_assets.cli.keys import warn

if TYPE_CHECKING:
    from twig_assets.provenance.label import LabelSettings

CORNER = "bottom-right"


def mark(
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, WebP, AVIF or TIFF files.")],
    out: Annotated[Path, typer.Option(help="Folder for the marked copies.")] = Path("marked"),
    made_by: Annotated[str | None, typer.Option(help="The model's name, where it is known.")] = None,
    source: Annotated[
        str, typer.Option(help="`generated`, `composite` (partly generated) or `enhanced` (changed by a model).")
    ] = "generated",
    do_not_train: Annotated[bool, typer.Option("--do-not-train", help="Say that nobody may train on it.")] = False,
    label: Annotated[bool, typer.Option("--label", help="Draw a visible label; that changes the pixels.")] = False,
    label_text: Annotated[str, typer.Option(help="The label's words.")] = "AI",
    label_corner: Annotated[str, typer.Option(help="bottom-right, bottom-left, top-right or top-left.")] = CORNER,
) -> None:
    """Write a credential into copies of files, without a campaign and without an audit. Exit status 1 if one fails."""
    from twig_assets.provenance.keys import ready_keys
    from twig_assets.provenance.marked_files import Marking, mark_files

    kinds = {
        "generated": "trainedAlgorithmicMedia",
        "composite": "compositeWithTrainedAlgorithmicMedia",
        "enhanced": "algorithmicallyEnhanced",
    }
    if source not in kinds:
        raise typer.BadParameter(f"{source!r} is none of {', '.join(kinds)}", param_hint="--source")
    settings = label_settings(label_text, label_corner) if label else None
    marking = Marking(kinds[source], made_by, do_not_train, settings)  # type: ignore[arg-type]
    failed, keys = 0, ready_keys()
    warn(keys.revocation.warnings)
    for marked in mark_files(files, out, marking, keys):
        failed += marked.target is None
        target = console if marked.target else errors
        place = f"{marked.source} -> {marked.target}" if marked.target else str(marked.source)
        target.print(f"{place}: {marked.sentence}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def label_settings(text: str, corner: str) -> "LabelSettings":
    """The label that options ask for.

    Raises:
        typer.BadParameter: For words or a corner that no label can have.
    """
    from pydantic import ValidationError

    from twig_assets.provenance.label import LabelSettings

    try:
        return LabelSettings.model_validate({"text": text, "corner": corner})
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--label-text, --label-corner") from None
