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
from twig_assets.similarity.detectors.alignment import REACH, homogeneous, one_to_one
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import local_features, on_canvas
from twig_assets.similarity.orientations import oriented

THUMBNAIL = 256
_WINDOW = 11
_GAP, _ENLARGED = 24, 2
# Told apart by people who see red and green alike: Okabe and Ito, "Color Universal Design", 2008.
_LINES = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
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


def matched_features(store: ArtifactStore, match: AuditMatch, folder: Path) -> bytes:
    """A PNG of an image beside a work, with a line between every two local features that agree on how the work lies.

    Raises:
        NoPictureError: If the work cannot be shown, or cannot be laid on the image.
    """
    import cv2

    image = store.read_image(match.audit.image.sha256)
    work = work_pixels(store, match.reference, folder)
    features, of_work = ImageFeatures(image), local_features(work)
    alignment = features.alignment(of_work)
    if alignment is None:
        raise NoPictureError("no local features agree on how the work would lie on the image")
    variant = features.variants[alignment.variant]
    ours, theirs = one_to_one(variant, of_work)
    landed = np.column_stack([of_work.points[theirs], np.ones(len(theirs))]) @ homogeneous(alignment.matrix).T
    near = np.linalg.norm(landed[:, :2] / landed[:, 2:] - variant.points[ours], axis=1) <= REACH
    on_image, on_work = variant.points[ours[near]].copy(), of_work.points[theirs[near]]
    if alignment.variant.startswith("mirrored"):
        on_image[:, 0] = variant.grey.shape[1] - 1 - on_image[:, 0]
    left, right = on_canvas(image), on_canvas(work)
    height = max(left.shape[0], right.shape[0])
    page = np.full((height, left.shape[1] + _GAP + right.shape[1], 3), 255, np.uint8)
    page[: left.shape[0], : left.shape[1]], page[: right.shape[0], left.shape[1] + _GAP :] = left, right
    page = np.ascontiguousarray(cv2.resize(page, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC))
    shift = np.array([left.shape[1] + _GAP, 0])
    for number, (a, b) in enumerate(zip(on_image, on_work + shift, strict=True)):
        start, end = (tuple(int(round(_ENLARGED * float(side))) for side in point) for point in (a, b))
        colour = _LINES[number % len(_LINES)]
        cv2.line(page, start, end, colour, 2, cv2.LINE_AA)
        for place in (start, end):
            cv2.circle(page, place, 5, colour, 2, cv2.LINE_AA)
    return png(page)


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
