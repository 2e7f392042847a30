"""Pictures for the desk's pages: candidates, masks, works, and the map of where two are alike."""

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import AuditMatch, Image, Mask, Reference
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.reports.pictures import reference_content
from twig_assets.similarity import ssim_map
from twig_assets.similarity.corpus.decode import decode
from twig_assets.similarity.orientations import oriented

THUMBNAIL = 256
_WINDOW = 11
_BLUE, _RED = np.array([33, 102, 172]), np.array([178, 24, 43])


class NoPictureError(LookupError):
    """There is no such picture, or its file is gone."""


def stored(session: Session, store: ArtifactStore, sha256: str) -> bytes:
    """The PNG of an image or mask of the catalog.

    Raises:
        NoPictureError: If the catalog knows no such picture or its file is missing or damaged.
    """
    known = session.scalar(select(Image.id).where(Image.sha256 == sha256).limit(1))
    if known is None and session.scalar(select(Mask.id).where(Mask.sha256 == sha256).limit(1)) is None:
        raise NoPictureError(f"no picture {sha256[:12]}")
    try:
        return store.read(sha256, "png")
    except (ArtifactError, ValueError) as error:
        raise NoPictureError(str(error)) from error


def work_pixels(store: ArtifactStore, work: Reference, folder: Path) -> np.ndarray:
    """The pixels of a protected work, uint8 (h, w, 3): as images were compared with it, or from its file.

    Raises:
        NoPictureError: If neither can be read.
    """
    try:
        return decode(reference_content(store, work, folder)).pixels
    except (ArtifactError, OSError, ValueError) as error:
        raise NoPictureError(f"{work.title}: cannot be shown ({error})") from error


def alike(store: ArtifactStore, match: AuditMatch, folder: Path) -> bytes:
    """A PNG of where an image is like a work: red where structural similarity is 1, blue where it is 0 or below.

    Raises:
        NoPictureError: If the work cannot be shown, or the image is too small for a map.
    """
    image = store.read_image(match.audit.image.sha256)
    work = oriented(work_pixels(store, match.reference, folder), match.transform)
    height, width = image.shape[:2]
    if min(height, width) < _WINDOW:
        raise NoPictureError("too small for a map of where they are alike")
    resized = np.asarray(PillowImage.fromarray(work).resize((width, height), PillowImage.Resampling.LANCZOS))
    similar = np.pad(ssim_map(image, resized), _WINDOW // 2, mode="edge").clip(0, 1)[..., None]
    ground = image.mean(axis=2, keepdims=True) * 0.35 + 255 * 0.2
    return png((ground + 0.45 * (similar * _RED + (1 - similar) * _BLUE)).clip(0, 255).astype(np.uint8))


def png(pixels: np.ndarray) -> bytes:
    """Pixels as a PNG."""
    return _encoded(PillowImage.fromarray(pixels), "PNG")


@lru_cache(maxsize=2048)
def thumbnail(content: bytes) -> bytes:
    """A WebP of at most THUMBNAIL pixels on either side."""
    picture = PillowImage.fromarray(decode(content).pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.LANCZOS)
    return _encoded(picture, "WEBP")


def _encoded(picture: PillowImage.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
