"""The rows of masks: reading those of a batch, and writing one with, where it is usable, its file."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import Image, Mask, Prompt
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import image_of, mask_of, prompt_states

if TYPE_CHECKING:  # it loads torch
    from twig_assets.segmentation import SourcedMask

_FIGURES = ("area", "predicted_iou", "stability", "score")


def first_masks(
    session: Session, batch_key: str, rules: Rules, segmenter: str
) -> list[tuple[Prompt, Image | None, Mask | None]]:
    """The prompts of a batch, each with its first image and that image's mask, as far as these exist.

    Args:
        session: An open session.
        batch_key: The batch.
        rules: The rules in force.
        segmenter: Its name with its settings, see `segmenter_name`.
    """
    rows: list[tuple[Prompt, Image | None, Mask | None]] = []
    for state in prompt_states(session, batch_key, rules):
        image = image_of(session, state.prompt.id, "generated", 0, rules)
        rows.append((state.prompt, image, mask_of(session, image.id, segmenter) if image else None))
    return rows


def write_mask(session: Session, store: ArtifactStore, image_id: int, segmenter: str, mask: "SourcedMask") -> None:
    """Add the row of an image's mask, and put its file into the store when there is a usable mask.

    Args:
        session: An open session.
        store: Takes the file.
        image_id: The image that was segmented.
        segmenter: The segmenter's name with its settings, see `segmenter_name`.
        mask: What it found.
    """
    segmentation = mask.segmentation
    sha256 = store.put_image(segmentation.mask) if segmentation.outcome == "ok" else None
    ranked = [
        {"bbox": list(m.bbox), "foreground": m.foreground, **{key: round(getattr(m, key), 4) for key in _FIGURES}}
        for m in segmentation.ranked
    ]
    session.add(
        Mask(
            image_id=image_id,
            segmenter=segmenter,
            outcome=segmentation.outcome,
            area=segmentation.area,
            sha256=sha256,
            ranked=ranked,
            source=mask.source,
            brightness=mask.brightness,
        )
    )
