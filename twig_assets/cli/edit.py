"""Commands that work on edits that `twig ablate` wrote, without a campaign: export."""

from pathlib import Path
from typing import Annotated

import typer

from twig_assets.cli.app import console
from twig_assets.cli.typed import given, typed
from twig_assets.settings.home import quiet_model_libraries
from twig_assets.settings.loras import LoraForm

edit_app = typer.Typer(no_args_is_help=True, help="Edits that `twig ablate` wrote, for other programs.")


@edit_app.command()
def export(
    edit: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="One or more edits.")],
    lora: Annotated[LoraForm | None, typer.Option(help="Write a LoRA for this program.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Write the whole edited model into this new folder.")] = None,
    out: Annotated[Path | None, typer.Option(help="The LoRA's file; EDIT.FORM.safetensors if not given.")] = None,
    model: Annotated[
        str, typer.Option(help="What they were made for: `embedded`, a folder, a file or a hub id.")
    ] = "embedded",
    config: Annotated[str | None, typer.Option(help="For a single file: where its configurations are.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16, as they were made.")] = None,
) -> None:
    """Write edits as a LoRA, or the whole edited model as a checkpoint that diffusers opens."""
    from twig_assets import generation
    from twig_assets.ablation.edit_files import composed, read_edits
    from twig_assets.ablation.edits.checkpoint import export_checkpoint

    if (lora is None) == (checkpoint is None):
        raise typer.BadParameter("give one of --lora FORM and --checkpoint DIR")
    quiet_model_libraries()
    edits = read_edits(edit)
    opening = typed(generation.OpeningSettings, given(config=config, dtype=dtype))
    pipeline = generation.load_checkpoint(model, opening=opening)
    base_sha256 = generation.fingerprint(pipeline)
    whole = composed(edits, pipeline, base_sha256)
    if checkpoint is not None:
        export_checkpoint(whole, checkpoint, pipeline, base_sha256)
        console.print(checkpoint, soft_wrap=True)
    elif lora is not None:
        path = out or edit[0].with_name(f"{edit[0].stem}.{lora}.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.export_lora(path, pipeline, lora)
        console.print(path, soft_wrap=True)
