"""Writing a picture's file again with other pixels: a label or a watermark changes them, and the rest stays."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.media import MediaType

_FORMATS: dict[MediaType, str] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/tiff": "TIFF",
}
_KEPT = ("icc_profile", "exif", "dpi")
_XMP_TAG, _XMP_KEYWORD = 700, "XML:com.adobe.xmp"


def rewritten(data: bytes, media_type: MediaType, change: Callable[[Image.Image], Image.Image]) -> bytes:
    """A file of the same kind with other pixels; colour profile, camera data, resolution and XMP stay.

    A credential does not, since it would not hold; whoever signs the new file names the old one as its parent.

    Args:
        data: The file.
        media_type: Its kind.
        change: Gives the new picture, in RGB or RGBA.

    Raises:
        CredentialError: If it cannot be read, or `change` raises it.
    """
    with picture_of(data) as opened:
        kept: dict[str, Any] = {key: opened.info[key] for key in _KEPT if opened.info.get(key)}
        kept |= _xmp(opened, media_type)
        changed = change(opened)
    buffer = io.BytesIO()
    quality: dict[str, Any] = {"quality": 95} if media_type in ("image/jpeg", "image/webp", "image/avif") else {}
    changed = changed.convert("RGB") if media_type == "image/jpeg" else changed
    changed.save(buffer, _FORMATS[media_type], **kept, **quality)
    return buffer.getvalue()


@contextmanager
def picture_of(data: bytes) -> Iterator[Image.Image]:
    """The picture in a file, with its pixels.

    Raises:
        CredentialError: If it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            yield opened
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CredentialError(f"it cannot be read as a picture: {error}") from error


def _xmp(opened: Image.Image, media_type: MediaType) -> dict[str, Any]:
    """How the picture's XMP is handed to the writer of its kind of file."""
    packet = opened.info.get("xmp") or opened.info.get(_XMP_KEYWORD)
    if media_type == "image/tiff" and isinstance(opened, TiffImagePlugin.TiffImageFile):
        packet = opened.tag_v2.get(_XMP_TAG)
    if not packet:
        return {}
    content = packet.encode() if isinstance(packet, str) else bytes(packet)
    if media_type == "image/png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt(_XMP_KEYWORD, content.decode(errors="replace"))
        return {"pnginfo": text}
    if media_type == "image/tiff":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.tagtype[_XMP_TAG] = 1
        tags[_XMP_TAG] = content
        return {"tiffinfo": tags}
    return {"xmp": content}
