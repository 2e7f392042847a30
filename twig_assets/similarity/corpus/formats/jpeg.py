"""JPEG files, also with several pictures in them (MPO), with gain maps (Ultra HDR), and cut short."""

import numpy as np
from PIL import Image

from twig_assets.similarity.corpus.colour import Frame
from twig_assets.similarity.corpus.formats.jpeg_parts import END, JpegPicture, neighbours, read_picture, whole_scans
from twig_assets.similarity.corpus.formats.loading import (
    FrameSource,
    exif_of,
    only_decode_errors,
    opened,
    orientation_of,
    upright,
)
from twig_assets.similarity.corpus.unreadable import DecodeError

_FEW = 0.01
"""A JPEG that lacks no more than this share of its pixels, at its end, is looked at all the same."""

_FILLER = np.random.default_rng(0).integers(0, 255, 1 << 16, dtype=np.uint8).tobytes()
_GREY = 128


def jpeg_frames(content: bytes) -> FrameSource:
    """The pictures of a JPEG file; previews and maps of brightness or depth are none.

    Raises:
        DecodeError: If its first picture ends before its first pixel.
    """
    first = read_picture(content)
    pictures, notes = [first], []
    try:
        listed = neighbours(first)
    except ValueError:
        listed = []
        notes.append("its list of further pictures cannot be read and is passed over")
    main: Image.Image | None = None
    missing = []
    for number, neighbour in enumerate(listed, 2):
        if neighbour.kind in ("thumbnail", "map"):
            continue
        if content[neighbour.start : neighbour.start + 3] != b"\xff\xd8\xff":
            notes.append(f"picture {number}, of which its list speaks, is not in the file")
            continue
        try:
            picture = read_picture(content, neighbour.start)
            if neighbour.kind == "undefined":
                main = _small(first) if main is None else main
                if _is_no_view(picture, first, main):
                    continue
        except DecodeError as error:
            missing.append(f"picture {number} {error}")
            continue
        pictures.append(picture)

    def load(index: int) -> Frame:
        with only_decode_errors():
            image, doubts = _whole_jpeg(pictures[index])
            exif = pictures[index].exif or (first.exif if pictures[index].size == first.size else None)
            orientation, exif_notes = orientation_of(lambda: exif_of(exif))
            return upright(image, orientation, pictures[index].profile, notes=doubts + exif_notes)

    return FrameSource("JPEG", first.size, len(pictures), "picture", load, tuple(notes), tuple(missing))


def _is_no_view(picture: JpegPicture, first: JpegPicture, main: Image.Image) -> bool:
    """Whether a further picture of undefined kind is a preview of the first, or a map of its brightness or depth."""
    if picture.is_map:
        return True
    smaller = picture.size[0] * picture.size[1] < first.size[0] * first.size[1]
    if not smaller:
        return False
    if len(picture.components) == 1 and len(first.components) > 1:
        return True
    difference = np.asarray(_small(picture)).astype(int) - np.asarray(main)
    return bool(np.abs(difference).mean() < 10)


def _small(picture: JpegPicture) -> Image.Image:
    with only_decode_errors():
        return opened(bytes(picture.drawn) + END, "JPEG").convert("RGB").resize((16, 16), Image.Resampling.BOX)


def _whole_jpeg(picture: JpegPicture) -> tuple[Image.Image, tuple[str, ...]]:
    """The pixels of a JPEG, and in words what is wrong with it.

    Where a JPEG ends early, the decoder makes the rest grey and says nothing. So it is decoded once more with noise at
    its end: what is there stays as it is, what is not changes.

    Raises:
        DecodeError: If pixels are missing.
    """
    image = opened(bytes(picture.drawn) + END, "JPEG")
    image.load()
    if picture.ended and (picture.progressive or not _ends_grey(image)):
        return image, ()
    drawn = bytes(picture.drawn).rstrip(b"\xff")
    other = opened(drawn + _FILLER + END, "JPEG")
    changed = np.asarray(image) != np.asarray(other)
    changed = changed.any(axis=-1) if changed.ndim == 3 else changed
    if picture.progressive:
        data = whole_scans(picture, last_is_whole=not changed.any())
        if data is None:
            reason = "is damaged (the file is cut short: there is no more than a blurred preview); get the file again"
            raise DecodeError("damaged", reason)
        whole = opened(data, "JPEG")
        whole.load()
        return whole, ("the end of the file is missing; the picture is there, if perhaps less exact",)
    if not changed.any():
        return image, () if picture.ended else ("the end of the file is missing, though all pixels are there",)
    height = changed.shape[0]
    rows = height - int(changed.any(axis=1).argmax())
    if changed.mean() > _FEW:
        reason = f"is damaged (the file is cut short: {rows} of its {height} rows of pixels are missing)"
        raise DecodeError("damaged", f"{reason}; get the file again")
    return image, (f"the file is cut short: a few pixels of its last {rows} rows are missing",)


def _ends_grey(image: Image.Image) -> bool:
    width, height = image.size
    corner = np.asarray(image.crop((max(0, width - 8), max(0, height - 8), width, height)))
    return bool((corner == _GREY).all())
