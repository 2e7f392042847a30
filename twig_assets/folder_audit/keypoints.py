"""An image and a work side by side, with lines between the local features that match."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from twig_assets.similarity.detectors.alignment import agreeing_matches, align, one_to_one
from twig_assets.similarity.detectors.local_features import VARIANTS, local_features, on_canvas

GAP = 12
_LINE, _GROUND = (255, 0, 170), (128, 128, 128)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The drawing, uint8 (h, w, 3), and how many lines it has."""

    pixels: np.ndarray
    agreeing: int


def draw_matches(image: np.ndarray, reference: np.ndarray) -> Drawn | None:
    """Draw the matches that agree on how the reference lies on the image.

    Args:
        image: uint8 array of shape (h, w, 3).
        reference: uint8 array of any size.

    Returns:
        None when no alignment is found.
    """
    ours, theirs = local_features(image), local_features(reference)
    variants = {name: ours.variant(name) for name in VARIANTS}
    alignments = [alignment for name, features in variants.items() if (alignment := align(features, theirs, name))]
    if not alignments:
        return None
    best = max(alignments, key=lambda alignment: alignment.strength)
    shown = variants[best.variant]
    pairs = one_to_one(shown, theirs)
    agreeing = agreeing_matches(best.matrix, shown, theirs, *pairs)
    on_image, on_work = shown.points[pairs[0][agreeing]], theirs.points[pairs[1][agreeing]]
    left, right = on_canvas(image), on_canvas(reference)
    if "mirrored" in best.variant:
        # The matches were found on the mirrored image; lead them back to the image as it is.
        on_image = np.column_stack([left.shape[1] - 1 - on_image[:, 0], on_image[:, 1]])
    height = max(left.shape[0], right.shape[0])
    sheet = Image.new("RGB", (left.shape[1] + GAP + right.shape[1], height), _GROUND)
    offset = left.shape[1] + GAP
    sheet.paste(Image.fromarray(left), (0, 0))
    sheet.paste(Image.fromarray(right), (offset, 0))
    pen = ImageDraw.Draw(sheet)
    for (x, y), (u, v) in zip(on_image.tolist(), on_work.tolist(), strict=True):
        pen.line((x, y, u + offset, v), fill=_LINE)
        for a, b in ((x, y), (u + offset, v)):
            pen.ellipse((a - 2, b - 2, a + 2, b + 2), outline=_LINE)
    return Drawn(np.asarray(sheet), len(on_image))
