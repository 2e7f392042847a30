"""How much two shapes overlap: where they are (location), and as shapes wherever they are (form)."""

import numpy as np
from scipy.signal import fftconvolve


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks (H, W); 0 when both are empty."""
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 0.0


def aligned_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Best intersection over union over all whole-pixel shifts of `b`, mirrored or not.

    A translated or mirrored copy has an aligned IoU near 1 although its plain IoU may be 0.
    """
    areas = a.sum() + b.sum()
    if not areas:
        return 0.0
    best = 0.0
    for turned in (b, b[:, ::-1]):
        overlap = fftconvolve(a.astype(float), turned[::-1, ::-1].astype(float)).max().round()
        best = max(best, overlap / (areas - overlap))
    return float(best)
