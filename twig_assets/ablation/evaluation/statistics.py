"""Statistics of a few images: bootstrap intervals, and the kernel distance of two sets drawn from the same seeds."""

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

_TAIL = 2.5


class Estimate(BaseModel):
    """A figure and its uncertainty.

    Attributes:
        value: The figure of the images that were drawn.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end. Where all images agree the interval has no width, and only `n` says how certain it is.
        n: Images behind it.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    value: float
    low: float
    high: float
    n: int


def mean_estimate(values: Sequence[float] | np.ndarray, resamples: int = 1000, seed: int = 0) -> Estimate:
    """The mean of n values with its percentile bootstrap interval (Efron 1979).

    Args:
        values: At least one.
        resamples: How many times n of them are drawn with replacement.
        seed: Of those draws.
    """
    sample = np.asarray(values, np.float64)
    return _estimate(sample.mean(), lambda at: sample[at].mean(axis=1), len(sample), resamples, seed)


def relative_drop_estimate(before: np.ndarray, after: np.ndarray, resamples: int = 1000, seed: int = 0) -> Estimate:
    """By which share of itself the mean fell: 1 - mean(after) / mean(before), resampled in pairs; 0 where it was 0.

    Args:
        before: (n,), not negative.
        after: (n,), of the same prompts and seeds.
        resamples: As for `mean_estimate`.
        seed: As for `mean_estimate`.
    """

    def drop(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.where(first > 0, 1 - second / np.where(first > 0, first, 1), 0.0)

    value = drop(before.mean(), after.mean())
    return _estimate(
        value, lambda at: drop(before[at].mean(axis=1), after[at].mean(axis=1)), len(before), resamples, seed
    )


def paired_kid(a: np.ndarray, b: np.ndarray, resamples: int = 200, seed: int = 0) -> Estimate:
    """Kernel distance (KID, Bińkowski et al. 2018) of two sets of features whose i-th members share prompt and seed.

    The U-statistic of squared MMD for equally many samples (Gretton et al. 2012, JMLR 13, section 3, equation 4), with
    the kernel (x.y + 1)^3. Pairs from one seed are left out of it, so a set has exactly no distance from itself, and an
    edit that changes nothing is seen to change nothing.

    Args:
        a: Unit vectors (n, d), n at least 2.
        b: Unit vectors (n, d).
        resamples: Bootstrap resamples of the seeds.
        seed: Of the bootstrap.
    """
    first, second = a.astype(np.float64), b.astype(np.float64)
    within = (first @ first.T + 1) ** 3 + (second @ second.T + 1) ** 3
    across = (first @ second.T + 1) ** 3
    terms = within - across - across.T
    np.fill_diagonal(terms, 0)
    count = len(a)

    def resampled(at: np.ndarray) -> np.ndarray:
        # A seed that is drawn twice must not be compared with itself.
        means = []
        for chosen in at:
            others = chosen[:, None] != chosen[None, :]
            means.append(terms[np.ix_(chosen, chosen)].sum() / max(1, others.sum()))
        return np.array(means)

    return _estimate(terms.sum() / (count * (count - 1)), resampled, count, resamples, seed)


def _estimate(
    value: float | np.ndarray, resampled: Callable[[np.ndarray], np.ndarray], count: int, resamples: int, seed: int
) -> Estimate:
    at = np.random.default_rng(seed).integers(count, size=(resamples, count))
    low, high = np.percentile(resampled(at), [_TAIL, 100 - _TAIL])
    # A percentile interval need not hold the value itself; one that does not would mislead.
    return Estimate(value=float(value), low=float(min(low, value)), high=float(max(high, value)), n=count)
