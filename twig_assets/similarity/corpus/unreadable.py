"""Why content is refused: the one error that decoding raises, and the sizes from which nothing is unpacked."""

from typing import Literal

MAX_PIXELS = 89_478_485
"""A picture of more pixels (about 9,460 x 9,460) is not unpacked; Pillow warns of a decompression bomb from here on."""

Kind = Literal["empty", "not an image", "damaged", "too large", "unsupported", "unreadable"]


class DecodeError(ValueError):
    """Content that is not a picture one could look at.

    Attributes:
        kind: What is wrong with it.
    """

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def check_size(width: int, height: int) -> None:
    """Refuse a picture that is too large to unpack, or has no pixels.

    Args:
        width: Its width in pixels, as its header says.
        height: Its height.

    Raises:
        DecodeError: If it has more than MAX_PIXELS pixels, or none.
    """
    if width * height > MAX_PIXELS:
        reason = f"has too many pixels to unpack safely ({width} x {height}); reduce its size to {MAX_PIXELS:,} pixels"
        raise DecodeError("too large", reason)
    if width < 1 or height < 1:
        raise DecodeError("damaged", f"is damaged (its size is {width} x {height} pixels); get the file again")
