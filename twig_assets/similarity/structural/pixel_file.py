"""A file of pictures of one size that is read block by block and may grow meanwhile.

A million references of 64 x 64 pixels are 12 GB; mapped into memory a block at a time they take none of it.
"""

import os
import struct
from pathlib import Path

import numpy as np

from twig_assets.similarity.structural.pictures import check_pictures

_MAGIC = b"twigpix1"
_HEADER = struct.Struct("<8s3I")


class PixelFileError(ValueError):
    """A file that is not one of pixels, or holds pictures of another size; the message names it."""


class PixelFile:
    """The pictures that are in the file when it is opened; whatever is appended later is not seen.

    Slices are uint8 arrays mapped from the file, so that it goes wherever an array of pictures goes in
    `ssim_all_pairs` and `ssim_above`. It is a sequence of complete pictures: one that is being appended, or whose
    writer was killed, does not count.

    Args:
        path: A file that `append_pictures` has written.

    Raises:
        PixelFileError: If it is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        with path.open("rb") as file:
            self._size = _read_header(path, file.read(_HEADER.size))
        self._count = (size - _HEADER.size) // self._bytes_each

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, height, width, channels)."""
        return self._count, *self._size

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        """N."""
        return self._count

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Some of the pictures, uint8 (n, height, width, channels), read-only; unmapped when no longer used."""
        start, stop, step = part.indices(self._count)
        if stop <= start:
            return np.empty((0, *self._size), np.uint8)
        offset = _HEADER.size + start * self._bytes_each
        mapped = np.memmap(self.path, np.uint8, "r", offset, (stop - start, *self._size))
        return mapped.view(np.ndarray)[::step]

    @property
    def _bytes_each(self) -> int:
        height, width, channels = self._size
        return height * width * channels


def append_pictures(path: Path, pictures: np.ndarray) -> None:
    """Add pictures at the end of a file, which is made if it is missing.

    Writers wait for one another. What a writer that was killed left of a picture is overwritten.

    Args:
        path: The file.
        pictures: uint8 array of shape (n, H, W, 3), or (n, H, W) for grey, of the size that the file holds.

    Raises:
        ValueError: If shape or type are other than this.
        PixelFileError: If the file holds pictures of another size, or something else.
    """
    import fcntl  # not on Windows, where files of pixels can only be read

    check_pictures("pictures", pictures)
    size = (*pictures.shape[1:], 1)[:3]
    with path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        written = os.fstat(file.fileno()).st_size
        if written < _HEADER.size:
            file.truncate(0)
            file.write(_HEADER.pack(_MAGIC, *size))
        else:
            held = _read_header(path, os.pread(file.fileno(), _HEADER.size, 0))
            if held != size:
                raise PixelFileError(f"{path}: holds pictures of shape {held}, not {size}; use another file")
            torn = (written - _HEADER.size) % (size[0] * size[1] * size[2])
            file.truncate(written - torn)
        _write_all(file.fileno(), np.ascontiguousarray(pictures).tobytes())


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_header(path: Path, header: bytes) -> tuple[int, int, int]:
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise PixelFileError(f"{path}: is not a file of pixels; write one with append_pictures")
    _, height, width, channels = _HEADER.unpack(header)
    return height, width, channels
