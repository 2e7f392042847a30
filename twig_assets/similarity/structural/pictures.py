"""What the engine takes for pictures, and the checks at its edge."""

from typing import Protocol

import numpy as np

BORDER = 5
"""Pixels at each edge whose window leaves the picture; they are not averaged."""

MIN_SIDE = 2 * BORDER + 1
"""The shortest side, in pixels, of a picture that has an SSIM."""


class Pictures(Protocol):
    """Pictures of one size, in memory or on disk, that are read slice by slice; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, 3), (N, H, W, 1) or (N, H, W)."""

    @property
    def dtype(self) -> np.dtype:
        """uint8."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Some of them."""


def check_pictures(name: str, pictures: Pictures) -> None:
    """Refuse anything but uint8 pictures, coloured or grey, that are large enough for a window.

    Raises:
        ValueError: Naming the argument.
    """
    shape = pictures.shape
    if pictures.dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        got = f"{pictures.dtype} {shape[1:]}"
        raise ValueError(f"{name}: expected uint8 pictures of shape (H, W, 3) or (H, W), got {got}")
    if min(shape[1:3]) < MIN_SIDE:
        raise ValueError(f"{name}: {shape[1:3]} is too small; SSIM needs at least {MIN_SIDE} px on each side")


def check_comparable(a: Pictures, b: Pictures) -> None:
    """Refuse pictures of different sizes, and coloured ones beside grey ones.

    Raises:
        ValueError: Naming both shapes.
    """
    if a.shape[1:3] != b.shape[1:3]:
        raise ValueError(f"pictures of {a.shape[1:3]} and {b.shape[1:3]} pixels cannot be compared; resize one first")
    if a.shape[3:] != b.shape[3:]:
        raise ValueError(f"pictures of shape {a.shape[1:]} and {b.shape[1:]} cannot be compared; make both RGB or grey")


def check_masks(name: str, masks: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse anything but bool masks of a shape.

    Raises:
        ValueError: Naming the argument.
    """
    if masks.dtype != np.bool_ or masks.shape != shape:
        raise ValueError(f"{name}: expected bool {shape}, got {masks.dtype} {masks.shape}")


def check_choices(orientations: int, threads: int) -> None:
    """Refuse impossible settings of a scan.

    Raises:
        ValueError: Naming the argument.
    """
    if orientations not in (1, 8):
        raise ValueError(f"orientations: {orientations} is not possible; choose 1 or 8")
    if threads < 1:
        raise ValueError(f"threads: {threads} is not possible; choose at least 1")


def with_channels(pictures: np.ndarray) -> np.ndarray:
    """Pictures with an axis for the channels, which grey ones may lack: (..., H, W) becomes (..., H, W, 1)."""
    return pictures[..., None] if pictures.ndim == 3 else pictures
