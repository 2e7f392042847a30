"""Commands that work on a checkpoint, without a campaign: generate, ablate."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from twig_assets.cli.app import console, errors, use_one_thread
from twig_assets.settings.home import quiet_model_libraries


def generate(
    prompt: Annotated[list[str], typer.Argument(help="One or more prompts.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("."),
    checkpoint: Annotated[str, typer.Option(help="`embedded`, a folder or a hub id.")] = "embedded",
    seed: Annotated[int, typer.Option(help="Seed of the first image; the others follow.")] = 0,
) -> None:
    """Draw prompts with a checkpoint, without a campaign."""
    from PIL import Image

    from twig_assets import generation

    quiet_model_libraries()
    pipeline = generation.load_checkpoint(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    pictures = generation.generate(pipeline, prompt, range(seed, seed + len(prompt)))
    for i, picture in enumerate(pictures):
        path = out / f"{seed + i}.png"
        Image.fromarray(picture).save(path)
        console.print(path)


def ablate(
    target: Annotated[str, typer.Argument(help="What shall no longer be drawn; for `memorized`, the whole caption.")],
    anchor: Annotated[str, typer.Option(help="What is drawn in its place; for a style, perhaps nothing.")] = "",
    kind: Annotated[str, typer.Option(help="`object`, `style` or `memorized`.")] = "object",
    alias: Annotated[list[str] | None, typer.Option(help="Another word for it, removed with it; repeatable.")] = None,
    preserve: Annotated[list[str] | None, typer.Option(help="What must stay as it is; repeatable.")] = None,
    checkpoint: Annotated[str, typer.Option(help="`embedded`, a folder or a hub id.")] = "embedded",
    method: Annotated[str | None, typer.Option(help="fast, closed_form, model_based or noise_based.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Who judges: `embedded`, `none`, or a CLIP or SigLIP (folder or hub id).")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images of target and anchor to judge it by.")] = 8,
    out: Annotated[Path | None, typer.Option(help="The edit's file; NAME.safetensors here when not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The evaluation as JSON on standard output.")] = False,
) -> None:
    """Remove one concept from a checkpoint and write the edit. Exit status 1 if its gate refuses it."""
    import re

    from twig_assets.ablation.remove_concept import ablation_request, remove_concept, tables
    from twig_assets.settings.judge import JudgeSettings

    use_one_thread()
    quiet_model_libraries()
    name = "-".join(re.findall(r"[a-z0-9]+", target.lower()))[:60] or "concept"
    concept, settings = ablation_request(
        {
            "name": name,
            "target": target,
            "anchor": anchor,
            "kind": kind,
            "aliases": alias or [],
            "preserve": preserve or [],
        },
        {"evaluation": {"samples": samples}, **({"method": method} if method else {})},
    )
    chosen = JudgeSettings(checkpoint=judge) if judge else None
    removed = remove_concept(checkpoint, concept, settings, out or Path(f"{name}.safetensors"), judge=chosen)
    if as_json:
        sys.stdout.write(removed.evaluation.model_dump_json(indent=2) + "\n")
    else:
        for table in tables(removed.evaluation):
            console.print(table)
    report = errors if as_json else console
    report.print(f"Edit: {removed.file}   before and after: {removed.picture}", soft_wrap=True, markup=False)
    for why in removed.evaluation.refusals:
        errors.print(f"[red]refused[/]: {escape(why)}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if removed.evaluation.accepted else 1)
