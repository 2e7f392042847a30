"""The parts of several edits in one edit."""

from collections.abc import Mapping, Sequence

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.errors import EditError


def merged(edits: Sequence[ConceptEdit]) -> ConceptEdit:
    """One edit with the parts of all, in the order of their concepts' names and each concept once.

    Args:
        edits: Made for one model, with the same settings.

    Raises:
        EditError: If there is none, they were made for different models or with different settings, they remove
            different concepts of the same name, or one of several was trained for several concepts together.
    """
    if not edits:
        raise EditError("no edit to compose; give at least one")
    if len({edit.base_sha256 for edit in edits}) > 1:
        raise EditError("the edits were made for different base models; ablate them all on one")
    if len({edit.settings for edit in edits}) > 1:
        raise EditError("the edits were made with different settings; ablate them all with one")
    if len(edits) > 1 and any(edit.joint for edit in edits):
        raise EditError("an edit of several concepts that were distilled together takes no others; compose single ones")
    parts: dict[str, EditPart] = {}
    for part in (part for edit in edits for part in edit.parts):
        other = parts.setdefault(part.concept.name, part)
        if other.concept != part.concept:
            raise EditError(f"two edits remove different concepts named {part.concept.name!r}; rename one")
    ordered = tuple(parts[name] for name in sorted(parts))
    return ConceptEdit(
        ordered,
        edits[0].base_sha256,
        edits[0].settings,
        joint=edits[0].joint,
        compression=_added_up([edit.compression for edit in edits if edit.compression]),
    )


def _added_up(records: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """What compressing all of them cost at most, and saved together."""
    if not records:
        return None
    added = {key: sum(record[key] for record in records) for key in records[0]}
    return added | {"error": max(record["error"] for record in records)}
