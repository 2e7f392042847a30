"""The kinds of picture that credentials are written into, told by their first bytes."""

from typing import Literal

MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/avif", "image/tiff"]
SUPPORTED = "PNG, JPEG, WebP, AVIF or TIFF"


def media_type_of(data: bytes) -> MediaType | None:
    """The media type of a picture's bytes; None for all that no credential can be written into."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and _brands(data) & {b"avif", b"avis"}:
        return "image/avif"
    if data[:4] in (b"II*\x00", b"MM\x00*"):
        return "image/tiff"
    return None


def _brands(data: bytes) -> set[bytes]:
    """The brands that the first box of an ISO media file names."""
    size = min(int.from_bytes(data[:4], "big"), len(data))
    return {data[8:12], *(data[start : start + 4] for start in range(16, size, 4))}
