"""What the images of a folder look like, and how two folders differ: thresholds hold for images like their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.folder_audit.images import MAX_SIDE, ImageFile
from twig_assets.folder_audit.work import SIDE
from twig_assets.similarity.corpus.decode import DecodeError, decode_views, read_file
from twig_assets.similarity.corpus.sizes import reduced, squeezed
from twig_assets.similarity.structural.information import C2, moments

LOOKED_AT = 200
"""Images of a folder that are looked at, at most; evenly spaced."""

_LARGER = 1.5
_MORE_PLAIN = 0.3


@dataclass(frozen=True)
class Looks:
    """What the images of a folder look like.

    Attributes:
        images: How many were looked at.
        side: Median of the longer side, in pixels, at which they are compared.
        plain: Share of them that are mostly plain ground, such as drawings on white.
    """

    images: int
    side: float
    plain: float

    def __str__(self) -> str:
        """For a person."""
        return f"{self.side:g} px on the longer side, {self.plain:.0%} of them mostly plain ground"


def looks_of(files: Sequence[ImageFile]) -> Looks | None:
    """What images look like; None if none of them can be read."""
    step = -(-len(files) // LOOKED_AT) or 1
    pictures = [picture for file in files[::step] if (picture := _picture(file)) is not None]
    if not pictures:
        return None
    sides = [max(picture.shape[:2]) for picture in pictures]
    return Looks(len(pictures), float(np.median(sides)), float(np.mean([_is_plain(picture) for picture in pictures])))


def differences(clean: Looks, audited: Looks) -> list[str]:
    """How images that are to be audited differ from those that thresholds come from, so that these may not hold.

    Args:
        clean: The images that thresholds come from.
        audited: The images to be audited.
    """
    found = []
    ratio = audited.side / clean.side
    if not 1 / _LARGER <= ratio <= _LARGER:
        found.append(
            f"the images to be audited measure {audited.side:g} px and the clean ones {clean.side:g} px on the longer "
            "side, and scores depend on the size; take clean images of the same size"
        )
    if abs(audited.plain - clean.plain) > _MORE_PLAIN:
        found.append(
            f"{audited.plain:.0%} of the images to be audited are mostly plain ground, and {clean.plain:.0%} of the "
            "clean ones, and any two of the former are alike by SSIM; take clean images of the same kinds"
        )
    return found


def _picture(file: ImageFile) -> np.ndarray | None:
    """The first view of a file as it is compared, uint8 (h, w, 3); None if it shows nothing."""
    if file.problem:
        return None
    try:
        views = decode_views(read_file(file.path), lambda pixels: reduced(pixels, MAX_SIDE)).views
    except DecodeError:
        return None
    return views[0].pixels


def _is_plain(picture: np.ndarray) -> bool:
    """Whether in most windows nothing varies more than SSIM takes for noise."""
    variances = moments(squeezed(picture, SIDE)).variance.max(axis=-1)
    return float((variances < C2).mean()) > 0.5
