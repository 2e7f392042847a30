"""Keeping a mask: its row in the catalog and, where there is a usable one, its file."""

from sqlalchemy.orm import Session

from twig_assets.catalog.models import Mask
from twig_assets.catalog.store import ArtifactStore
from twig_assets.segmentation import SourcedMask

_FIGURES = ("area", "predicted_iou", "stability", "score")


def write_mask(session: Session, store: ArtifactStore, image_id: int, segmenter: str, mask: SourcedMask) -> None:
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
