"""Pictures as the engine's kernels want them: cut into tiles, each with its pixels, local means and deviations."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twig_assets.similarity.structural.pictures import BORDER, Pictures

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Three float32 arrays of shape (n, tiles, values of a tile): pixels, local means, local standard deviations."""


_CACHE_BYTES = 1 << 20


@dataclass(frozen=True)
class Tiling:
    """How pictures of one size are cut.

    Attributes:
        height: Of the pictures, in pixels.
        width: Likewise.
        channels: 1 or 3.
    """

    height: int
    width: int
    channels: int

    @classmethod
    def of(cls, pictures: Pictures) -> "Tiling":
        """The tiling of pictures of this size."""
        return cls(*pictures.shape[1:3], *pictures.shape[3:] or (1,))

    @cached_property
    def tile_rows(self) -> int:
        """Rows of the SSIM map in a tile; fewer in the last one."""
        from twig_assets.similarity.structural.kernels import TILE_ROWS

        return _split(self.height - 2 * BORDER, TILE_ROWS)

    @cached_property
    def tile_columns(self) -> int:
        """Columns of the SSIM map that a tile has room for; a multiple of the vectors' length."""
        from twig_assets.similarity.structural.kernels import LANES, TILE_COLUMNS

        return -(-_split(self.width - 2 * BORDER, TILE_COLUMNS) // LANES) * LANES

    @cached_property
    def extents(self) -> np.ndarray:
        """int64 (tiles of one channel, 4): top, left, rows and columns of each tile in the SSIM map."""
        height, width = self.height - 2 * BORDER, self.width - 2 * BORDER
        return np.array(
            [
                (top, left, min(self.tile_rows, height - top), min(self.tile_columns, width - left))
                for top in range(0, height, self.tile_rows)
                for left in range(0, width, self.tile_columns)
            ]
        )

    @cached_property
    def rows(self) -> np.ndarray:
        """int64 (tiles,): rows of each tile, channel by channel."""
        return np.tile(self.extents[:, 2], self.channels)

    @cached_property
    def columns(self) -> np.ndarray:
        """int64 (tiles,): columns of each tile that hold pixels of the map."""
        return np.tile(self.extents[:, 3], self.channels)

    @cached_property
    def keep(self) -> np.ndarray:
        """float32 (tiles, tile_columns): 1 where a column holds pixels of the map, 0 where it is only room."""
        return (np.arange(self.tile_columns) < self.columns[:, None]).astype(np.float32)

    @property
    def values(self) -> int:
        """Values in the SSIM map of a pair: pixels away from the border, times channels."""
        return int((self.rows * self.columns).sum())

    @property
    def bytes_per_tile(self) -> int:
        """Memory of one tile of one described picture."""
        from twig_assets.similarity.structural.kernels import LANES, REACH

        reading = (self.tile_rows + REACH) * (self.tile_columns + LANES)
        return 4 * (reading + 2 * self.tile_rows * self.tile_columns)

    @property
    def bytes_per_picture(self) -> int:
        """Memory of one described picture."""
        return len(self.rows) * self.bytes_per_tile

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """What kernels that compare pairs take: `keep`, `rows`, `columns`, and how many queries share the cache.

        The tiles of as many queries as fit in the second-level cache are compared with one tile of a reference in turn.
        """
        return self.keep, self.rows, self.columns, max(1, _CACHE_BYTES // self.bytes_per_tile)

    def describe(self, pictures: np.ndarray) -> Planes:
        """What the kernels need of each picture.

        Args:
            pictures: uint8 array of shape (n, height, width, channels).
        """
        from twig_assets.similarity.structural import kernels

        reading = (self.tile_rows + kernels.REACH) * (self.tile_columns + kernels.LANES)
        shape = len(pictures), len(self.rows)
        pixels = _aligned(*shape, reading)
        means, deviations = (_aligned(*shape, self.tile_rows * self.tile_columns) for _ in range(2))
        kernels.describe(np.ascontiguousarray(pictures), self.tile_rows, self.tile_columns, pixels, means, deviations)
        return pixels, means, deviations

    def information(self, planes: Planes) -> np.ndarray:
        """What each window of described pictures holds, float32 like their deviations; see `information`."""
        from twig_assets.similarity.structural.kernels import C2

        held = _aligned(*planes[2].shape)
        # The tiles' last rows may be room that nothing was written to, and nothing reads.
        with np.errstate(all="ignore"):
            np.multiply(planes[2], planes[2], out=held)
            held *= 1 / C2
            held += 1
            np.log(held, out=held)
        return held

    def weights(self, masks: np.ndarray) -> np.ndarray:
        """Masks, cut like the SSIM map.

        Args:
            masks: bool array of shape (n, height, width).

        Returns:
            float32 array of shape (n, tiles of one channel, tile_rows * tile_columns): 1 inside, 0 outside.
        """
        inner = masks[:, BORDER:-BORDER, BORDER:-BORDER]
        cut = np.zeros((len(masks), len(self.extents), self.tile_rows, self.tile_columns), np.float32)
        for place, (top, left, rows, columns) in enumerate(self.extents):
            cut[:, place, :rows, :columns] = inner[:, top : top + rows, left : left + columns]
        return cut.reshape(len(masks), len(self.extents), -1)


def _split(length: int, most: int) -> int:
    """The size of equal parts of a length, none longer than `most`."""
    return -(-length // -(-length // most))


def _aligned(*shape: int) -> np.ndarray:
    """An uninitialised float32 array that begins at a cache line, so that no vector of it lies across two."""
    line = 64
    room = np.empty(4 * math.prod(shape) + line, np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + 4 * math.prod(shape)].view(np.float32).reshape(shape)
