"""SSIM of a few pictures with many works in eight orientations, each work in arrays of its own, in float32."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.structural.resized import Resized, turned_back
from twig_assets.similarity.structural.tiles import Planes, Tiling


class _Turned(NamedTuple):
    """Pictures, turned back from some orientations that give them all the same size."""

    orientations: Sequence[int]
    tiling: Tiling
    planes: Planes


class WholeQueries:
    """Pictures of one size, described in the orientations that works are compared in.

    Attributes:
        works_at_once: How many works may be compared at once without taking much memory.
    """

    def __init__(self, queries: np.ndarray, orientations: int) -> None:
        """Describe the pictures.

        Args:
            queries: uint8 array of shape (Q, H, W, 3).
            orientations: 1 or 8.
        """
        self._shape = len(queries), orientations
        # Those whose works stay upright, and those whose works are turned by a quarter.
        self._parts = [_turned(queries, range(first, orientations, 2)) for first in range(min(orientations, 2))]
        self.works_at_once = max(1, _BYTES // Tiling.of(queries).bytes_per_picture)

    def scores(self, works: Sequence[Resized]) -> np.ndarray:
        """SSIM of every picture with every work in each orientation: float64 (Q, works, orientations)."""
        from twig_assets.similarity.structural import kernels

        count, orientations = self._shape
        result = np.empty((count, len(works), orientations))
        for part in self._parts:
            # Held here, since the kernel sees nothing but addresses.
            planes = [work.look(part.orientations[0]).planes for work in works]
            addresses = np.array([[plane.ctypes.data for plane in of_work] for of_work in planes])
            sums = np.zeros((count * len(part.orientations), len(works)))
            kernels.all_pairs_at(part.planes, addresses, *part.tiling.grid, sums)
            of_part = sums.reshape(count, len(part.orientations), -1) / part.tiling.values
            result[:, :, part.orientations] = of_part.transpose(0, 2, 1)
        return result


_BYTES = 128 << 20


def _turned(queries: np.ndarray, orientations: Sequence[int]) -> _Turned:
    pictures = np.stack([turned for query in queries for turned in turned_back(query, orientations)])
    tiling = Tiling.of(pictures)
    return _Turned(orientations, tiling, tiling.describe(pictures))
