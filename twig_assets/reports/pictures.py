"""Pictures small enough to travel inside a page."""

from pathlib import Path

from PIL import Image as PillowImage

from twig_assets.catalog.models import Reference
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.files import picture_uri
from twig_assets.reports.data import Picture
from twig_assets.similarity.corpus.decode import decode

EXACT_SIDE = 128
THUMBNAIL_SIDE = 320


def stored_picture(store: ArtifactStore, sha256: str) -> Picture:
    """A picture from the artifact store; without its bytes when the artifact is gone or damaged."""
    try:
        return Picture(sha256=sha256, uri=data_uri(store.read(sha256, "png")))
    except (ArtifactError, ValueError):
        return Picture(sha256=sha256)


def reference_picture(store: ArtifactStore, reference: Reference, folder: Path) -> Picture:
    """A protected work; without its bytes when they are gone or damaged, see `reference_content`."""
    try:
        return Picture(sha256=reference.sha256, uri=data_uri(reference_content(store, reference, folder)))
    except (ArtifactError, OSError, ValueError):
        return Picture(sha256=reference.sha256)


def reference_content(store: ArtifactStore, reference: Reference, folder: Path) -> bytes:
    """A protected work's picture file: as images were compared with it, from the store, or else from below `folder`.

    Raises:
        ArtifactError, OSError: If neither can be read.
    """
    if reference.pixels_sha256 and store.exists(reference.pixels_sha256, "png"):
        return store.read(reference.pixels_sha256, "png")
    return (folder / reference.file).read_bytes()


def data_uri(content: bytes) -> str:
    """An image file as a `data:` URI: exact up to 128 px, else a WebP thumbnail of at most 320 px.

    Raises:
        ValueError: If it is not an image or is damaged.
    """
    pixels = decode(content).pixels
    exact, picture = max(pixels.shape[:2]) <= EXACT_SIDE, PillowImage.fromarray(pixels)
    if not exact:
        picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), PillowImage.Resampling.LANCZOS)
    return picture_uri(picture, "png" if exact else "webp", quality=88)
