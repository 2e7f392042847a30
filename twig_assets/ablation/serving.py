"""Having a pipeline draw with some edits and no others."""

from collections.abc import Mapping

from twig_assets.ablation.ablate import compose
from twig_assets.ablation.edits.applying import applied_sources, apply, remove
from twig_assets.ablation.edits.concept_edit import ConceptEdit
from twig_assets.generation import Pipeline


def serve_edits(pipeline: Pipeline, base_sha256: str, weights: Mapping[str, bytes]) -> None:
    """Apply edits in the place of those that are applied; nothing is done where they are the same.

    Args:
        pipeline: The pipeline; it is changed.
        base_sha256: Fingerprint of the unedited model.
        weights: SHA-256 -> content of the safetensors file of every edit; empty for the unedited model.

    Raises:
        EditError: If an edit is of another model, or some cannot be composed.
    """
    if applied_sources(pipeline) == weights.keys():
        return
    remove(pipeline)
    if weights:
        edit = compose([ConceptEdit.from_bytes(weights[key]) for key in sorted(weights)])
        apply(pipeline, edit, base_sha256, sources=weights)
