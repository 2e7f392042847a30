"""What a file is, told by its first bytes: one of the formats that can be read, or else the true reason why not."""

import struct

from twig_assets.similarity.corpus.unreadable import DecodeError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "HEIF")

_SUFFIXES = {
    "PNG": {".png", ".apng"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "JPEG2000": {".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"},
    "AVIF": {".avif", ".avifs"},
    "HEIF": {".heic", ".heif", ".hif", ".heics", ".heifs"},
}
_CONVERT = "convert it to PNG"

_READ = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_OTHER_PICTURES = (
    (b"8BPS", "a Photoshop document", "export it as PNG"),
    (b"%PDF", "a PDF document", "export its pages as PNG"),
    (b"%!PS", "a PostScript drawing", "export it as PNG"),
    (b"\0\0\x01\0", "an icon file (ICO)", _CONVERT),
    (b"\xff\x0a", "a JPEG XL picture", _CONVERT),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _CONVERT),
    (b"v/1\x01", "an OpenEXR picture", _CONVERT),
    (b"#?RADIANCE", "a Radiance HDR picture", _CONVERT),
    (b"gimp xcf", "a GIMP document", "export it as PNG"),
    (b"DDS ", "a DDS texture", _CONVERT),
    (b"qoif", "a QOI picture", _CONVERT),
    (b"FORM", "an IFF file", _CONVERT),
    *((b"P%d" % number, "a PNM picture", _CONVERT) for number in range(1, 8)),
    (b"FUJIFILMCCD-RAW", "a camera's raw file", "develop it and export it as JPEG or TIFF"),
    (b"IIU\0", "a camera's raw file", "develop it and export it as JPEG or TIFF"),
    (b"IIRO", "a camera's raw file", "develop it and export it as JPEG or TIFF"),
)
_NO_PICTURES = (
    (b"PK\x03\x04", "a ZIP archive (or an office document)", "put the pictures that are in it here"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"7z\xbc\xaf", "a 7z archive", "put the pictures that are in it here"),
    (b"Rar!", "a RAR archive", "put the pictures that are in it here"),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)", "export the frames that matter as PNG"),
    (b"SQLite format 3", "a database", "take it away"),
    (b"\x7fELF", "a program", "take it away"),
    (b"MZ", "a program", "take it away"),
    (b"OggS", "a sound or video file", "take it away"),
    (b"ID3", "a sound file", "take it away"),
    (b"version https://git-lfs.github.com", "a pointer of Git LFS", "run `git lfs pull` to get the picture itself"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_IMAGE_BRANDS = {b"mif1", b"mif2", b"msf1"}


def suffix_note(suffix: str, format: str) -> tuple[str, ...]:
    """A note if a file's suffix (such as `.png`, or none) promises another format than its content has."""
    if suffix.lower() in _SUFFIXES[format]:
        return ()
    return (f"is a {format} file, though its name ends with {suffix or 'no suffix'}",)


def file_format(content: bytes) -> str:
    """The format of a picture.

    Args:
        content: A file's bytes.

    Returns:
        One of FORMATS; whether the rest of the file holds what its beginning promises is not looked at.

    Raises:
        DecodeError: If it is none of these, with what it is instead, as far as that can be seen.
    """
    if not content:
        raise DecodeError("empty", "is empty (0 bytes), so not an image of a known format; get the file again")
    for magic, format in _READ:
        if content.startswith(magic):
            return format
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        return _container_format(content)
    raise _refusal(content)


def missing_bytes(content: bytes) -> int:
    """How many bytes a WebP, AVIF or HEIF file lacks of what its own headers promise; 0 if it does not say so."""
    if content[:4] == b"RIFF" and len(content) >= 8:
        return max(0, 8 + int.from_bytes(content[4:8], "little") - len(content))
    if content[4:8] != b"ftyp":
        return 0
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(content[at + 8 : at + 16], "big")
        if length < 8:  # 0: to the end of the file
            return 0
        at += length
    return max(0, at - len(content))


def _container_format(content: bytes) -> str:
    length = min(max(struct.unpack(">I", content[:4])[0], 16), 256)
    brands = {content[at : at + 4] for at in (8, *range(16, length, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIC_BRANDS or content[8:12] in _IMAGE_BRANDS:
        return "HEIF"
    if content[8:12] == b"crx ":
        reason = "is a camera's raw file, which cannot be read; develop it and export it as JPEG or TIFF"
        raise DecodeError("unsupported", reason)
    reason = "is a video (MP4 or QuickTime), not a picture; export the frames that matter as PNG"
    raise DecodeError("not an image", reason)


def _refusal(content: bytes) -> DecodeError:
    for magic, name, remedy in _OTHER_PICTURES:
        if content.startswith(magic):
            return DecodeError("unsupported", f"is {name}, which cannot be read; {remedy}")
    for magic, name, remedy in _NO_PICTURES:
        if content.startswith(magic):
            return DecodeError("not an image", f"is {name}, not a picture; {remedy}")
    if not content.strip(b"\0"):
        reason = "holds nothing but zero bytes, as after a download or a copy that broke off; get the file again"
        return DecodeError("not an image", reason)
    if content.startswith((b"\x89PNG\n", b"\x89PNG\r\n\n")):
        reason = "is a PNG that was transferred as if it were text, which spoiled its bytes; get the file again"
        return DecodeError("damaged", reason)
    return _text_refusal(content) or DecodeError(
        "not an image", f"is not an image of a known format; convert it to one of {', '.join(FORMATS)}"
    )


def _text_refusal(content: bytes) -> DecodeError | None:
    text = _as_text(content[:4096])
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith("<svg") or (start.startswith(("<?xml", "<!--", "<!doctype svg")) and "<svg" in start):
        return DecodeError("unsupported", "is an SVG drawing, which cannot be read; export it as PNG")
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        reason = "is a web page, not a picture; the download may have been answered by a page, so get the file again"
        return DecodeError("not an image", reason)
    reason = "is a text file, not a picture; take it away, or get the picture again if there should be one"
    return DecodeError("not an image", reason)


def _as_text(start: bytes) -> str | None:
    """The beginning of a text file; None if it is none. At least four characters, so that stray bytes are none."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = start[: len(start) // 2 * 2].decode("utf-16", "replace")
    else:
        text = start.decode("utf-8", "replace")
    # A character may be cut in two at the end.
    text = text[:-1] if text.endswith("\ufffd") else text
    printable = sum(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
    return text if len(text) >= 4 and printable == len(text) and "\ufffd" not in text else None
