"""Confidence intervals of shares that were counted on a sample."""

import math

_Z = 1.959964  # 95 % of a normal distribution


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

    Args:
        count: How many have the property, 0 to `of`.
        of: Size of the sample, at least 1.

    Returns:
        Lower and upper bound, 0 to 1.
    """
    share = count / of
    middle = share + _Z**2 / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    scale = 1 + _Z**2 / of
    # Rounding must not put the share itself outside.
    return max(0.0, min(share, (middle - half) / scale)), min(1.0, max(share, (middle + half) / scale))
