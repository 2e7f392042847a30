"""Writing a segmentation as a catalog row and an artifact; shared by the two assets that segment images."""

from sqlalchemy.orm import Session

from twig_assets.catalog.models import Mask
from twig_assets.catalog.store import ArtifactStore
from twig_assets.segmentation import SourcedMask


def write_mask(session: Session, store: ArtifactStore, image_id: int, name: str, mask: SourcedMask) -> None:
    """Add the mask's row, and its artifact when there is a usable mask."""
    segmentation = mask.segmentation
    sha256 = store.put_image(segmentation.mask) if segmentation.outcome == "ok" else None
    figures = ("area", "predicted_iou", "stability", "score")
    ranked = [
        {"bbox": list(m.bbox), "foreground": m.foreground, **{key: round(getattr(m, key), 4) for key in figures}}
        for m in segmentation.ranked
    ]
    session.add(
        Mask(
            image_id=image_id,
            segmenter=name,
            outcome=segmentation.outcome,
            area=segmentation.area,
            sha256=sha256,
            ranked=ranked,
            source=mask.source,
            brightness=mask.brightness,
        )
    )
