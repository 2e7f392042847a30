"""How far second images are from the first ones: by shape, in place and in form, and by structural similarity."""

import numpy as np

from twig_assets.regeneration.overlap import aligned_iou, iou
from twig_assets.similarity import ORIENTATIONS, ssim_map, wang_ssim
from twig_assets.similarity.orientations import oriented

_BORDER = 5  # pixels along the edge that an 11 px window cannot judge


def compare(
    firsts: np.ndarray, seconds: np.ndarray, first_masks: np.ndarray, second_masks: np.ndarray
) -> dict[str, float]:
    """Means over a set of images.

    A translated or mirrored copy has a low `location_iou` and `ssim_first`, and a high `form_iou`; a mirrored one also
    a high `ssim_first_best_of_8`. None of them says whether a protected work was copied; the audit does.

    Args:
        firsts: The first images, uint8 (n, H, W, 3). If they are not square, quarter turns are left out.
        seconds: The second images, of the same shape.
        first_masks: bool (n, H, W), all False where an image has no usable mask.
        second_masks: The masks of the second images, likewise.

    Returns:
        `ssim_first`, `ssim_first_in_mask`, `ssim_first_best_of_8`, `location_iou`, `form_iou`, and `shapes`, the
        number of images of which both masks are usable. A figure without any such image is left out.
    """
    both = [i for i in range(len(firsts)) if first_masks[i].any() and second_masks[i].any()]
    inside = [
        float(ssim_map(firsts[i], seconds[i])[inner].mean())
        for i in range(len(firsts))
        if (inner := first_masks[i][_BORDER:-_BORDER, _BORDER:-_BORDER]).any()
    ]
    figures = {
        "ssim_first": [wang_ssim(first, second) for first, second in zip(firsts, seconds, strict=True)],
        "ssim_first_in_mask": inside,
        "ssim_first_best_of_8": [
            max(
                wang_ssim(first, turned)
                for orientation in ORIENTATIONS
                if (turned := oriented(second, orientation)).shape == first.shape
            )
            for first, second in zip(firsts, seconds, strict=True)
        ],
        "location_iou": [iou(first_masks[i], second_masks[i]) for i in both],
        "form_iou": [aligned_iou(first_masks[i], second_masks[i]) for i in both],
    }
    return {name: float(np.mean(values)) for name, values in figures.items() if values} | {"shapes": float(len(both))}
