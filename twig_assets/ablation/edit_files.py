"""Edits from their files, composed for one model: what `twig generate --edit` and `twig edit export` begin with."""

from collections.abc import Sequence
from pathlib import Path

from twig_assets.ablation.ablate import compose
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Pipeline


def read_edits(files: Sequence[Path]) -> list[ConceptEdit]:
    """The edits of some files, before a model is opened for them.

    Raises:
        EditError: If a file cannot be read, or they were made for different models; with the file.
    """
    edits = [ConceptEdit.load(file) for file in files]
    for file, edit in zip(files, edits, strict=True):
        if edit.base_sha256 != edits[0].base_sha256:
            raise EditError(
                f"{file} was made for model {edit.base_sha256[:12]}, {files[0]} for {edits[0].base_sha256[:12]}; "
                f"ablate both on one model"
            )
    return edits


def composed(edits: Sequence[ConceptEdit], pipeline: Pipeline, base_sha256: str) -> ConceptEdit:
    """One edit of all.

    Args:
        edits: What `read_edits` gave, at least one.
        pipeline: The unedited model.
        base_sha256: Its fingerprint.

    Raises:
        EditError: If they were made for another model, or do not compose.
    """
    if edits[0].base_sha256 != base_sha256:
        raise EditError(
            f"the edit was made for model {edits[0].base_sha256[:12]}, and this checkpoint, opened like this, is "
            f"{base_sha256[:12]}; name the checkpoint, LoRAs, scheduler and number format that it was made with"
        )
    return compose(edits, pipeline) if len(edits) > 1 else edits[0]
