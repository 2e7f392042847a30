"""Commands that work on a checkpoint, without a campaign: generate, ablate."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from twig_assets.cli.app import console, errors, use_one_thread
from twig_assets.cli.marking import WatermarkOption
from twig_assets.cli.typed import given, typed, width_and_height
from twig_assets.settings.home import quiet_model_libraries

Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="`embedded`, a folder, a .safetensors file or a hub id (@REVISION).")
]


def generate(
    prompt: Annotated[list[str], typer.Argument(help="One or more prompts.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("."),
    checkpoint: Checkpoint = "embedded",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image; the others follow.")] = 0,
    edit: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="An edit that `ablate` wrote; repeatable.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Scale of classifier-free guidance; 1 turns it off.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels; the checkpoint's own if not given.")] = None,
    negative_prompt: Annotated[str, typer.Option(help="What guidance leads away from.")] = "",
    config: Annotated[str | None, typer.Option(help="For a single file: where its configurations are.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A scheduler of diffusers in place of its own.")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA that is merged into it; repeatable.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images at once.")] = None,
    watermark: WatermarkOption = None,
) -> None:
    """Draw prompts with a checkpoint, perhaps with edits, without a campaign and without an audit.

    What is not given is as in `campaign.yaml` for the embedded checkpoint, and as in its own pipeline for any other.
    """
    from twig_assets import generation
    from twig_assets.ablation import apply
    from twig_assets.ablation.edit_files import composed, read_edits
    from twig_assets.generation.checkpoints import EMBEDDED
    from twig_assets.generation.usual import usual_settings
    from twig_assets.provenance.generated_files import check_watermark, save_pictures

    check_watermark(watermark)
    quiet_model_libraries()
    opening = typed(
        generation.OpeningSettings,
        given(config=config, scheduler=scheduler, loras=lora, dtype=dtype, device=device),
        {"loras": "lora"},
    )
    chosen = given(steps=steps, guidance_scale=guidance, negative_prompt=negative_prompt, batch_size=batch_size)
    chosen |= width_and_height(size)
    names = {"guidance_scale": "guidance", "height": "size", "width": "size"}
    typed(generation.GenerationSettings, chosen, names)  # before weights are read
    edits = read_edits(edit or [])
    pipeline = generation.load_checkpoint(checkpoint, opening=opening)
    usual = generation.GenerationSettings() if checkpoint in EMBEDDED else usual_settings(pipeline)
    settings = typed(generation.GenerationSettings, usual.model_dump() | chosen, names)
    if edits:
        base_sha256 = generation.fingerprint(pipeline)
        apply(pipeline, composed(edits, pipeline, base_sha256), base_sha256)
    out.mkdir(parents=True, exist_ok=True)
    pictures = generation.generate(pipeline, prompt, range(seed, seed + len(prompt)), settings)
    paths = [out / f"{seed + i}.png" for i in range(len(pictures))]
    for path, note in save_pictures(pictures, paths, watermark):
        console.print(path, soft_wrap=True)
        if note:
            errors.print(f"{path}: {note}", markup=False, highlight=False, soft_wrap=True)


def ablate(
    target: Annotated[str, typer.Argument(help="What shall no longer be drawn; for `memorized`, the whole caption.")],
    anchor: Annotated[str, typer.Option(help="What is drawn in its place; for a style, perhaps nothing.")] = "",
    kind: Annotated[str, typer.Option(help="`object`, `style` or `memorized`.")] = "object",
    alias: Annotated[list[str] | None, typer.Option(help="Another word for it, removed with it; repeatable.")] = None,
    preserve: Annotated[list[str] | None, typer.Option(help="What must stay as it is; repeatable.")] = None,
    checkpoint: Checkpoint = "embedded",
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
    if removed.edit.compression:
        cost = removed.edit.compression
        report.print(
            f"Of what was trained, {cost['whole_bytes'] / 2**20:.0f} MiB, "
            f"{cost['stored_bytes'] / 2**20:.0f} MiB are kept; "
            f"that departs by {cost['error']:.2%} of what separates target and anchor (squared)",
            soft_wrap=True,
            highlight=False,
        )
    for why in removed.evaluation.refusals:
        errors.print(f"[red]refused[/]: {escape(why)}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if removed.evaluation.accepted else 1)
