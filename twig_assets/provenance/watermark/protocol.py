"""What a watermark is: a way to write 48 bits into pixels that nobody sees, and to find them again."""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np

PAYLOAD_BYTES = 6
FALSE_READINGS = 1e-6
"""At most this share of pictures without the mark are taken to have one, over the choice of the key; see `bound`."""


class WatermarkError(ValueError):
    """A key, a network or a picture that no watermark can be written with; the message says what to do."""


@dataclass(frozen=True)
class Reading:
    """A payload that was found in a picture.

    Attributes:
        payload: PAYLOAD_BYTES bytes.
        chance: At most with this probability a picture without the mark gives such a reading, over the choice of key.
        how: How the picture lies to what was marked, for a person: such as `as it is`, `mirrored`.
    """

    payload: bytes
    chance: float
    how: str


class Watermark(Protocol):
    """One construction with one key.

    Attributes:
        method: Its name and version; it is stored beside every marked image, so it never changes.
        key_id: Which key, without giving it away.
    """

    method: str
    key_id: str

    @abstractmethod
    def embed(self, pixels: np.ndarray, payload: bytes) -> np.ndarray:
        """Write a payload.

        Args:
            pixels: uint8 (H, W, 3).
            payload: PAYLOAD_BYTES bytes.

        Returns:
            uint8 (H, W, 3); the same picture to the eye.

        Raises:
            WatermarkError: If the picture is too small.
        """

    @abstractmethod
    def read(self, pixels: np.ndarray, known: Collection[bytes] = ()) -> Reading | None:
        """Find a payload.

        Args:
            pixels: uint8 (H, W, 3) of any size.
            known: Payloads that may be there. One of few is recognised where 48 unknown bits could not be read any
                more; without any, all 2^48 are possible.

        Returns:
            The surest reading; None where there is none, which does not prove that nothing was written.
        """


def psnr(before: np.ndarray, after: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape, in dB; infinite for the same."""
    error = float(np.mean((before.astype(np.float64) - after) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
