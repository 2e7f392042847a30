"""Pictures for the gallery: an image, the work it comes nearest to, and where the two are alike."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from twig_assets.files import picture_uri
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.folder_audit.keypoints import draw_matches
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.folder_audit.work import WorkError
from twig_assets.similarity.corpus.decode import DecodeError, decode_view, read_file
from twig_assets.similarity.corpus.sizes import reduced
from twig_assets.similarity.orientations import oriented
from twig_assets.similarity.structural.pictures import BORDER, MIN_SIDE
from twig_assets.similarity.structural.ssim import ssim_map

SIDE = 256
DRAWN_FROM = 5
"""Matching local features are drawn when at least this many agree on where the work lies; fewer agree by chance."""

_NO_SCORE = 200
_EXACT_SIDE = 96
_LEVELS = 1024
_STOPS = np.array([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0])
_COLOURS = np.array([[8, 12, 26], [20, 24, 60], [84, 28, 109], [187, 55, 84], [249, 142, 9], [252, 255, 164]])
"""From dark (nothing alike) to light (the same), distinguishable in grey too."""


@dataclass(frozen=True)
class Pictures:
    """`data:` URIs; None where there is nothing to show.

    Attributes:
        image: The image; of several views the one that the verdict rests on.
        reference: The view of the work that it comes nearest to, turned as it matches best.
        likeness: Where the two are alike.
        keypoints: The two side by side, with lines between the local features that agree on how the work lies on the
            image.
        agreeing: How many lines there are.
    """

    image: str | None = None
    reference: str | None = None
    likeness: str | None = None
    keypoints: str | None = None
    agreeing: int = 0


def pictures(judged: Judged, corpus: Corpus) -> Pictures:
    """The pictures of a card; what has become unreadable since it was judged leaves a gap."""
    if judged.size is None:
        return Pictures()
    try:
        full = decode_view(read_file(judged.file.path), judged.view).pixels
    except DecodeError:
        return Pictures()
    image = reduced(full, SIDE)
    nearest = judged.nearest_match
    if nearest is None:
        return Pictures(_uri(image))
    try:
        views = corpus.works[nearest["reference_sha256"]].views
        [compared] = [view for view in views if view.label == nearest["reference_view"]]
        reference = corpus.picture(compared).pixels
    except (DecodeError, WorkError):
        return Pictures(_uri(image))
    turned = oriented(reduced(reference, 2 * SIDE), nearest["transform"])
    # A long strip is too thin for SSIM at this size, though not at the size it was judged at.
    mapped = likeness(image if min(image.shape[:2]) >= MIN_SIDE else reduced(full, MAX_SIDE), turned)
    beside, drawn = reduced(turned, SIDE), None
    if nearest["sift_inliers"] >= DRAWN_FROM:
        drawn = draw_matches(reduced(full, MAX_SIDE), reference)
    return Pictures(
        image=_uri(image),
        reference=_reference_uri(beside.tobytes(), *beside.shape[:2]),
        likeness=_uri(reduced(mapped, SIDE)),
        keypoints=_uri(drawn.pixels) if drawn else None,
        agreeing=drawn.agreeing if drawn else 0,
    )


def likeness(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The SSIM map in colours, light where the two are alike; the border, which has no SSIM, is grey.

    Args:
        image: uint8 array of shape (h, w, 3), at least 11 px on each side.
        reference: uint8 array of any size; resized to the image's (Lanczos).

    Returns:
        uint8 array of shape (h, w, 3).
    """
    height, width = image.shape[:2]
    same_size = np.asarray(Image.fromarray(reference).resize((width, height), Image.Resampling.LANCZOS))
    ssim_of_pixels = ssim_map(image, same_size)
    painted = np.full((height, width, 3), _NO_SCORE, np.uint8)
    levels = np.rint((ssim_of_pixels.clip(-1, 1) + 1) * (_LEVELS / 2)).astype(np.int32)
    painted[BORDER:-BORDER, BORDER:-BORDER] = _palette()[levels]
    return painted


@cache
def _palette() -> np.ndarray:
    """Colours for SSIM from -1 to 1 in equal steps: uint8 (_LEVELS + 1, 3)."""
    scores = np.linspace(-1, 1, _LEVELS + 1)
    channels = [np.interp(scores, _STOPS, _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


# Many images come nearest to the same few works.
@lru_cache(maxsize=128)
def _reference_uri(content: bytes, height: int, width: int) -> str:
    return _uri(np.frombuffer(content, np.uint8).reshape(height, width, 3))


def _uri(pixels: np.ndarray) -> str:
    exact = max(pixels.shape[:2]) <= _EXACT_SIDE
    return picture_uri(Image.fromarray(pixels), "png" if exact else "webp", quality=82)
