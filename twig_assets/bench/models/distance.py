"""Distances between two sets of pictures by the features of a network: FID and KID."""

import numpy as np
from scipy import linalg


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Kernel inception distance (Bińkowski et al. 2018, section 4): squared MMD with the kernel (x.y / d + 1)^3.

    This is the biased estimate, with the diagonal. It is above 0 for any two samples, and smaller for larger ones, so
    only values from samples of one size can be compared; unlike the unbiased one, which is about 0 for two samples of
    the same source, it can stand below a fraction line.

    Args:
        a: Features (n, d).
        b: Features (m, d).
    """
    return float(_kernel(a, a).mean() + _kernel(b, b).mean() - 2 * _kernel(a, b).mean())


def unbiased_kid(a: np.ndarray, b: np.ndarray) -> float:
    """The same without the diagonal: about 0, on either side, for two samples of one source. n and m at least 2."""
    same = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (_kernel(a, a), _kernel(b, b))]
    return float(sum(same) - 2 * _kernel(a, b).mean())


def fid(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance (Heusel et al. 2017) between normal distributions with the two samples' means and covariances.

    With fewer samples than features it is far above what many samples give; say n with it.
    """
    means, spreads = [x.mean(0) for x in (a, b)], [np.cov(x, rowvar=False) for x in (a, b)]
    root = linalg.sqrtm(spreads[0] @ spreads[1])
    return float(np.square(means[0] - means[1]).sum() + np.trace(spreads[0] + spreads[1] - 2 * np.real(root)))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(np.float64) @ b.T.astype(np.float64) / a.shape[1] + 1) ** 3
