"""Reading a release's watermark in a crop, a turn or a paste: where the fingerprint says that the release lies."""

import numpy as np

from twig_assets.provenance.watermark.lattice import LatticeWatermark
from twig_assets.provenance.watermark.patterns import CANVAS, CELL, PER_CELL, canvas_of, in_cells
from twig_assets.provenance.watermark.protocol import Reading
from twig_assets.similarity.detectors.alignment import Alignment, homogeneous
from twig_assets.similarity.detectors.local_features import on_canvas

_WHOLE = 0.9
"""Share of a cell that has to be there for it to count."""


def read_where_it_lies(
    watermark: LatticeWatermark, pixels: np.ndarray, size: tuple[int, int], alignment: Alignment, payload: bytes
) -> Reading | None:
    """Whether the watermark of one release is in a picture, where the release lies on it.

    Args:
        watermark: Of the key with which the release was marked.
        pixels: The picture, uint8 (H, W, 3).
        size: Height and width of the release, in pixels.
        alignment: How the release lies on the picture.
        payload: The release's.
    """
    import cv2

    seen = on_canvas(pixels)
    seen = seen[:, ::-1] if "mirrored" in alignment.variant else seen
    seen = 255 - seen if "inverted" in alignment.variant else seen
    height, width = on_canvas(np.zeros((*size, 3), np.uint8)).shape[:2]
    matrix, extent = homogeneous(alignment.matrix), (width, height)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpPerspective(np.ascontiguousarray(seen), matrix, extent, flags=how, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpPerspective(np.full(seen.shape[:2], 255, np.uint8), matrix, extent, flags=how)
    shares = canvas_of(np.repeat(there[..., None], 3, axis=2)) / 255
    weights = np.repeat(in_cells(shares).mean(axis=1) > _WHOLE, PER_CELL).astype(np.float32)
    if weights.sum() < CELL * PER_CELL:
        return None
    canvas = canvas_of(np.asarray(back, np.uint8)).reshape(1, CANVAS, CANVAS)
    reading = watermark.read_canvases(canvas, ["where its fingerprint lies"], [payload], weights[None])
    return reading if reading and reading.payload == payload else None
