"""The command that writes credentials into files: mark."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twig_assets.cli.app import CampaignRoot, console, errors
from twig_assets.cli.keys import warn

if TYPE_CHECKING:
    from twig_assets.provenance.label import LabelSettings

CORNER = "bottom-right"
WatermarkOption = Annotated[
    bool | None,
    typer.Option(
        "--watermark/--no-watermark",
        help="Write an invisible mark into the pixels; by default where there is a key for it and it can be done.",
    ),
]


def mark(
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, WebP, AVIF or TIFF files.")],
    out: Annotated[Path, typer.Option(help="Folder for the marked copies.")] = Path("marked"),
    made_by: Annotated[str | None, typer.Option(help="The model's name, where it is known.")] = None,
    source: Annotated[
        str, typer.Option(help="`generated`, `composite` (partly generated) or `enhanced` (changed by a model).")
    ] = "generated",
    do_not_train: Annotated[bool, typer.Option("--do-not-train", help="Say that nobody may train on it.")] = False,
    label: Annotated[bool, typer.Option("--label", help="Draw a visible label; that changes the pixels.")] = False,
    watermark: WatermarkOption = None,
    label_text: Annotated[str, typer.Option(help="The label's words.")] = "AI",
    label_corner: Annotated[str, typer.Option(help="bottom-right, bottom-left, top-right or top-left.")] = CORNER,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Write a credential and a watermark into copies of files, without an audit. Exit status 1 if one fails."""
    from twig_assets.provenance.file_marks import file_marks
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
    marking = Marking(kinds[source], made_by, do_not_train, settings, watermark)  # type: ignore[arg-type]
    failed, keys = 0, ready_keys()
    warn(keys.revocation.warnings)
    with file_marks(root) as marks:
        for marked in mark_files(files, out, marking, keys, marks):
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
