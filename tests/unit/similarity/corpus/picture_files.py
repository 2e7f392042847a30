"""Picture files of rarer kinds, byte by byte where no library writes them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from tests.unit.similarity.pictures import encoded

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def scene(height: int = 48, width: int = 64, seed: int = 0) -> Image.Image:
    """Smooth colours with something different in every place, so that lossy formats keep them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind)) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def with_chunk(png: bytes, added: bytes, place: int = 1) -> bytes:
    """A PNG with a chunk put in behind so many others, its last (IEND) always behind."""
    starts, at = [], len(SIGNATURE)
    while at < len(png):
        starts.append(at)
        at += 12 + struct.unpack_from(">I", png, at)[0]
    at = starts[min(place, len(starts) - 1)]
    return png[:at] + added + png[at:]


def mpo(pictures: list[tuple[bytes, int]]) -> bytes:
    """JPEGs in one file with a list of them in the first; each with the kind that the list gives it."""
    length = 8 + 2 + 3 * 12 + 4 + 16 * len(pictures)
    head, rest = pictures[0][0][:2], pictures[0][0][2:]
    base = 2 + 4 + 4
    first = len(head) + 4 + 4 + length + len(rest)
    entries, start = b"", first
    for number, (content, kind) in enumerate(pictures):
        size = first if number == 0 else len(content)
        entries += struct.pack("<IIIHH", kind, size, 0 if number == 0 else start - base, 0, 0)
        start += 0 if number == 0 else size
    directory = struct.pack("<H", 3)
    directory += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack("<HHII", 0xB001, 4, 1, len(pictures))
    directory += struct.pack("<HHII", 0xB002, 7, len(entries), 8 + 2 + 36 + 4)
    mpf = b"MPF\0II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0) + entries
    segment = b"\xff\xe2" + struct.pack(">H", len(mpf) + 2) + mpf
    return head + segment + rest + b"".join(content for content, _ in pictures[1:])


def with_xmp(jpeg: bytes, text: bytes) -> bytes:
    body = b"http://ns.adobe.com/xap/1.0/\0" + text
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def tiff(values: np.ndarray, kind: int = 1, photometric: int = 1, subtype: int = 0) -> bytes:
    """A TIFF of one strip; kind: 1 without a sign, 2 with, 3 floating point."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    data = values.tobytes()
    many = struct.pack(f"<{channels}H", *[8 * values.dtype.itemsize] * channels)
    kinds = struct.pack(f"<{channels}H", *[kind] * channels)
    entries = [
        (254, 4, 1, subtype),
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, 8 + len(data) if channels > 2 else 8 * values.dtype.itemsize),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, channels, 8 + len(data) + len(many) if channels > 2 else kind),
    ]
    start = 8 + len(data) + len(many) + len(kinds)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", start) + data + many + kinds + directory + struct.pack("<I", 0)


def linear_profile() -> bytes:
    """A profile for red, green and blue whose values are proportional to light, unlike sRGB's."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", content, 128)
    for i in range(count):
        name, at, _ = struct.unpack_from(">4sII", content, 132 + 12 * i)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            content[at : at + 12] = b"curv" + bytes(8)
            struct.pack_into(">I", content, 132 + 12 * i + 8, 12)
    return bytes(content)


def logo(ink: tuple[int, int, int], side: int = 64) -> Image.Image:
    """A cross with a ring, transparent around it."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(x, y)
    drawn = (np.minimum(abs(x), abs(y)) < 4) & (radius < 20) | (abs(radius - 27) < 2)
    layers = np.zeros((side, side, 4), np.uint8)
    layers[..., :3], layers[..., 3] = ink, drawn * 255
    return Image.fromarray(layers)


def animation(frames: list[Image.Image], format: str) -> bytes:
    options = {"lossless": True} if format == "WEBP" else {}
    return encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=100, **options)


def scan_starts(jpeg: bytes) -> list[int]:
    return [at for at in range(len(jpeg) - 1) if jpeg[at : at + 2] == b"\xff\xda"]


def image_of(content: bytes) -> np.ndarray:
    """The pixels as Pillow has them, of a file that is sound."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
