"""Small pictures for a report's pages, made once and kept as files that are named by what they show."""

import base64
import io
from collections.abc import Container
from pathlib import Path

from PIL import Image as PillowImage

from twig_assets.catalog.models import Reference
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.files import written_whole
from twig_assets.reports.data import WorkSource
from twig_assets.similarity.corpus.decode import decode

EXACT_SIDE = 128
THUMBNAIL_SIDE = 224
_QUALITY = 80
_KINDS = {".png": "image/png", ".webp": "image/webp"}


class Thumbnails:
    """Finds the small picture of an image, a mask or a protected work, and makes it if nobody has yet.

    A picture of at most EXACT_SIDE pixels is kept exactly, as PNG; a larger one becomes a WebP of at most
    THUMBNAIL_SIDE.

    Attributes:
        folder: Where they lie, at `ab/abcdef....webp`, where `abcdef...` is the hash of the whole picture's file.
    """

    def __init__(
        self,
        folder: Path,
        store: ArtifactStore,
        works: Path,
        sources: dict[str, WorkSource],
        *,
        kept: Path | None = None,
        only: Container[str] | None = None,
    ) -> None:
        """Look at what is there.

        Args:
            folder: Where they lie, or will.
            store: The campaign's images and masks.
            works: The folder of the protected works.
            sources: Hash of each work's file -> where its picture is.
            kept: Another folder of small pictures, to copy from.
            only: The hashes that may be shown; None for all.
        """
        self.folder = folder
        self._store, self._works, self._sources, self._only = store, works, sources, only
        self._kept = {p.stem: p for p in kept.glob("??/*.*")} if kept else {}
        self._names: dict[str, str] = {p.stem: f"{p.parent.name}/{p.name}" for p in folder.glob("??/*.*")}

    @property
    def some_left_out(self) -> bool:
        """Whether there are pictures that are there and are not to be shown."""
        return self._only is not None

    def name(self, sha256: str) -> str:
        """The path of a small picture below the folder; empty if the whole one is gone or damaged."""
        if sha256 not in self._names:
            self._names[sha256] = self._made(sha256)
        return self._names[sha256]

    def uri(self, sha256: str) -> str:
        """A small picture as a `data:` URI; empty if the whole one is gone or damaged."""
        name = self.name(sha256)
        if not name:
            return ""
        content = (self.folder / name).read_bytes()
        return f"data:{_KINDS[Path(name).suffix]};base64,{base64.b64encode(content).decode()}"

    def _made(self, sha256: str) -> str:
        if self._only is not None and sha256 not in self._only:
            return ""
        try:
            suffix, content = self._kept_or_small(sha256)
        except (ArtifactError, OSError, ValueError):
            return ""
        path = self.folder / sha256[:2] / f"{sha256}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            partial.write_bytes(content)
        return f"{path.parent.name}/{path.name}"

    def _kept_or_small(self, sha256: str) -> tuple[str, bytes]:
        kept = self._kept.get(sha256)
        return (kept.suffix, kept.read_bytes()) if kept else _small(self._content(sha256))

    def _content(self, sha256: str) -> bytes:
        """A PNG of our own making."""
        source = self._sources.get(sha256)
        if source is None:
            return self._store.read(sha256, "png")
        pixels = decode(_work_content(self._store, source.pixels_sha256, self._works / source.file)).pixels
        return _encoded(PillowImage.fromarray(pixels), "PNG")


def reference_content(store: ArtifactStore, reference: Reference, folder: Path) -> bytes:
    """A protected work's picture file: as images were compared with it, from the store, or else from below `folder`.

    Raises:
        ArtifactError, OSError: If neither can be read.
    """
    return _work_content(store, reference.pixels_sha256, folder / reference.file)


def _work_content(store: ArtifactStore, pixels_sha256: str | None, file: Path) -> bytes:
    if pixels_sha256 and store.exists(pixels_sha256, "png"):
        return store.read(pixels_sha256, "png")
    return file.read_bytes()


def _small(content: bytes) -> tuple[str, bytes]:
    """The small picture of a PNG, with its suffix."""
    with PillowImage.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if max(picture.size) <= EXACT_SIDE:
            # Decoding it shows that it is whole.
            picture.load()
            return ".png", content
        small = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), PillowImage.Resampling.LANCZOS, reducing_gap=3)
    return ".webp", _encoded(small, "WEBP", quality=_QUALITY, method=2)


def _encoded(picture: PillowImage.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
