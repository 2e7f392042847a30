"""Confidence intervals of shares, means and ratios that were measured on a sample."""

import math
from collections.abc import Sequence

import numpy as np

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


def bootstrap_ratio(counted: Sequence[float], over: Sequence[float], samples: int = 10_000) -> tuple[float, float]:
    """The 95 % confidence interval of a ratio of two sums over the same sample.

    The members of the sample are drawn again with both of their values, so what the two sums share does not widen it.
    Samples without a denominator are left out. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    section 13.3 (percentile intervals).

    Args:
        counted: Of each member, what the numerator adds up.
        over: Of each, what the denominator adds up, at least 0; with ones the ratio is a mean.
        samples: How often the sample is drawn again; from one seed, so the interval is always the same.

    Raises:
        ValueError: If the sample is empty, or all of `over` is 0.
    """
    above, below = (np.asarray(values, float) for values in (counted, over))
    if not below.any():
        raise ValueError("the denominator is 0, so there is no ratio")
    drawn = np.random.default_rng(0).integers(len(above), size=(samples, len(above)))
    totals = below[drawn].sum(1)
    low, high = np.percentile(above[drawn].sum(1)[totals > 0] / totals[totals > 0], (2.5, 97.5))
    return float(low), float(high)
