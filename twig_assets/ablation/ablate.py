"""Computing the edit that removes a concept."""

from twig_assets.ablation.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.token_pairs import token_pairs
from twig_assets.generation import Pipeline, fingerprint
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


def ablate(
    pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings | None = None, base_sha256: str | None = None
) -> ConceptEdit:
    """Compute the edit that makes the target's prompts draw the anchor.

    Args:
        pipeline: The unedited base model; it is left as it is.
        concept: Target, anchor and what to preserve.
        settings: Method and weights; the defaults when None.
        base_sha256: `fingerprint(pipeline)` if it is known already.

    Raises:
        IndistinctConceptError: If the text encoder reads target and anchor alike.
    """
    pairs = token_pairs(pipeline, concept)
    return ConceptEdit(
        (EditPart(concept, pairs),), base_sha256 or fingerprint(pipeline), settings or AblationSettings()
    )
