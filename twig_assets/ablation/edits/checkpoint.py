"""An edited model as a checkpoint of its own, for programs that know nothing of edits."""

from pathlib import Path

from twig_assets.ablation.edits.applying import WeightEdit, applied_edit, apply, remove
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Pipeline


def export_checkpoint(edit: WeightEdit, folder: Path, pipeline: Pipeline, base_sha256: str | None = None) -> None:
    """Write the whole model with the edit in its weights, in its own number format; diffusers draws the same from it.

    Args:
        edit: What is removed.
        folder: A new or empty folder.
        pipeline: The unedited model that the edit was made for; it is unedited again afterwards.
        base_sha256: `fingerprint(pipeline)` if it is known already.

    Raises:
        EditError: If the folder holds something, the pipeline is edited, or the edit belongs to another model.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EditError(f"{folder}: a checkpoint is written to a new or empty folder; name another one")
    if applied_edit(pipeline) is not None:
        raise EditError("a checkpoint is exported from the unedited model; remove the edit from the pipeline first")
    apply(pipeline, edit, base_sha256)
    try:
        pipeline.save_pretrained(folder, safe_serialization=True)
    finally:
        remove(pipeline)
