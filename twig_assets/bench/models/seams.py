"""How visible it is where a move left an image bare: the step across the seam, and likeness to a mirror image."""

import numpy as np

from twig_assets.regeneration.moving import Move


def seam_ratio(image: np.ndarray, move: Move) -> float:
    """The mean step between neighbouring pixels across a moved image's seams, over the mean step beside them.

    1 is a seam that cannot be told from what is beside it by this; a patch with a hard edge has far more.

    Args:
        image: uint8 (H, W, 3), moved and filled.
        move: How it was moved; somewhere.
    """
    pixels, across, beside = image.astype(np.float64), [], []
    for turned, by in ((pixels, move.down), (pixels.swapaxes(0, 1), move.right)):
        if not by:
            continue
        lines = turned if by > 0 else turned[::-1]
        steps = np.abs(np.diff(lines, axis=0)).mean((1, 2))
        at = abs(by) - 1
        near = np.r_[max(0, at - 5) : max(0, at - 1), at + 2 : min(len(steps), at + 6)]
        across.append(steps[at])
        beside.append(steps[near].mean())
    return float(np.mean(across) / max(np.mean(beside), 1e-6))


def mirror_likeness(image: np.ndarray, move: Move) -> float:
    """How like the mirror image of what is next to it the bare part is: correlation of their pixels, -1 to 1.

    Args:
        image: uint8 (H, W, 3), moved and filled.
        move: How it was moved; somewhere.
    """
    pixels, values = image.astype(np.float64), []
    for turned, by in ((pixels, move.down), (pixels.swapaxes(0, 1), move.right)):
        if not by:
            continue
        lines = turned if by > 0 else turned[::-1]
        width = min(abs(by), len(lines) - abs(by) - 1)
        bare, beside = lines[abs(by) - width : abs(by)][::-1], lines[abs(by) + 1 : abs(by) + 1 + width]
        a, b = (part - part.mean((0, 1)) for part in (bare, beside))
        values.append((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))
    return float(np.mean(values))
