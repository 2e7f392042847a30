"""How sure a share is that was counted on a few."""

import math

_Z = 1.959964  # 95 % of a normal distribution


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

    Args:
        found: How many were counted.
        of: Among how many, one at least.

    Returns:
        Lower and upper bound, 0 to 1.
    """
    share = found / of
    middle = share + _Z**2 / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    scale = 1 + _Z**2 / of
    # Rounding must not put the share itself outside.
    return max(0.0, min(share, (middle - half) / scale)), min(1.0, max(share, (middle + half) / scale))
