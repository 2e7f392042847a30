"""Works at the size of audited images, resized and described once for all eight orientations.

To compare an image with a turned work is to compare the image, turned back, with the work as it is. So a work needs one
description and not eight, or two where it has to be resized: Pillow resizes across first and then down, rounding in
between, so that turning by a quarter and resizing do not commute to the last bit. Mirroring and resizing do.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.orientations import ORIENTATIONS, oriented, resized
from twig_assets.similarity.structural.exact import Statistics, statistics
from twig_assets.similarity.structural.tiles import Planes, Tiling

BACK = (0, 3, 2, 1, 4, 5, 6, 7)
"""For each of ORIENTATIONS the one that leads back from it."""

KEPT_BYTES = 256 << 20
"""Memory for works at the sizes of images."""

_BYTES_PER_PIXEL = 2 * 3 * 54
"""Memory of a work in both positions, with all that may be computed of it."""

_COUNTED = 1 << 16


class Described(NamedTuple):
    """Pictures as the engine compares them: their planes, and the information that each window holds."""

    planes: Planes
    information: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The planes and the information."""
        return (*self.planes, self.information)


def described(pictures: np.ndarray) -> Described:
    """Describe pictures of one size for the engine; uint8 (n, H, W, 3)."""
    tiling = Tiling.of(pictures)
    planes = tiling.describe(pictures)
    return Described(planes, tiling.information(planes))


class Look:
    """A picture with what was computed of it so far.

    Attributes:
        pixels: uint8 array of shape (H, W, 3).
    """

    def __init__(self, pixels: np.ndarray) -> None:
        """Hold a picture."""
        self.pixels = pixels

    @cached_property
    def planes(self) -> Planes:
        """For SSIM by the engine, as a batch of one."""
        return Tiling.of(self.pixels[None]).describe(self.pixels[None])

    @cached_property
    def described(self) -> Described:
        """For SSIM and `iw_ssim` by the engine, likewise."""
        return Described(self.planes, Tiling.of(self.pixels[None]).information(self.planes))

    @cached_property
    def statistics(self) -> Statistics:
        """For exact scores."""
        return statistics(self.pixels)

    @property
    def nbytes(self) -> int:
        """Memory that it takes now."""
        known = self.__dict__
        arrays = known["described"].arrays if "described" in known else known.get("planes", ())
        exact = self.statistics.nbytes if "statistics" in known else 0
        return self.pixels.nbytes + exact + sum(array.nbytes for array in arrays)


class Resized:
    """A work at the size of an image.

    Attributes:
        source: The work at its own size, uint8 (h, w, 3).
        size: Height and width of the image.
    """

    def __init__(self, source: np.ndarray, height: int, width: int) -> None:
        """Hold a work; it is resized when that is asked for."""
        self.source, self.size = source, (height, width)

    def look(self, orientation: int) -> Look:
        """What an image that was turned back from an orientation is compared with."""
        return self._sideways if orientation % 2 else self._upright

    @cached_property
    def _upright(self) -> Look:
        return Look(np.ascontiguousarray(resized(self.source, *self.size)))

    @cached_property
    def _sideways(self) -> Look:
        if self.source.shape[:2] == self.size == self.size[::-1]:
            return self._upright
        turned = resized(oriented(self.source, ORIENTATIONS[1]), *self.size)
        return Look(oriented(turned, ORIENTATIONS[BACK[1]]))

    @property
    def nbytes(self) -> int:
        """Memory that it takes now, without the source."""
        looks = {id(look): look for name in ("_upright", "_sideways") if (look := self.__dict__.get(name))}
        return sum(look.nbytes for look in looks.values())


class ResizedWorks:
    """Works at the sizes that were asked for, of which those asked for most are kept while there is room."""

    def __init__(self, room: int = KEPT_BYTES) -> None:
        """Keep nothing yet.

        Args:
            room: Bytes of memory; a quarter of it, and what is in use, may come on top.
        """
        self._room = room
        self._kept: dict[tuple[int, int, int], Resized] = {}
        self._asked: Counter[tuple[int, int, int]] = Counter()
        self._added = 0

    def __len__(self) -> int:
        return len(self._kept)

    def at(self, source: np.ndarray, height: int, width: int) -> Resized:
        """A work at a size.

        Args:
            source: uint8 array of shape (h, w, 3); it is recognised by being the same object.
            height: Wanted height in pixels.
            width: Wanted width in pixels.
        """
        key = id(source), height, width
        self._asked[key] += 1
        if key not in self._kept:
            self._added += height * width * _BYTES_PER_PIXEL
            if self._added > self._room / 4:
                self._make_room()
                self._added = 0
            self._kept[key] = Resized(source, height, width)
        return self._kept[key]

    def _make_room(self) -> None:
        sizes = {key: work.nbytes for key, work in self._kept.items()}
        total = sum(sizes.values())
        # Of equals the newest goes: where all works are asked for in turn, the oldest would be needed next.
        for key in sorted(reversed(sizes), key=lambda key: self._asked[key]):
            if total <= self._room:
                break
            total -= sizes[key]
            del self._kept[key]
        if len(self._asked) > _COUNTED:
            self._asked = Counter({key: self._asked[key] for key in self._kept})


def turned_back(pixels: np.ndarray, orientations: Sequence[int]) -> list[np.ndarray]:
    """An image or mask as it is compared with works in some orientations."""
    return [oriented(pixels, ORIENTATIONS[BACK[orientation]]) for orientation in orientations]
