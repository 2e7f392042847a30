"""Small pictures for asset metadata: Dagster keeps metadata in its event log, so they stay under 128 px."""

from collections.abc import Sequence

import dagster as dg
import numpy as np
from PIL import Image

from twig_assets.escaping import plain_markdown
from twig_assets.files import picture_uri

SIDE = 96
SHOWN = 12


def gallery(rows: Sequence[tuple[str, Sequence[np.ndarray]]], of: int | None = None) -> dg.MarkdownMetadataValue:
    """A table of captions and pictures, at most SHOWN rows.

    Args:
        rows: A caption and its pictures, each uint8 (H, W, 3) or bool (H, W).
        of: How many rows there are in all, where not all were given.
    """
    total = len(rows) if of is None else of
    lines = []
    for caption, pictures in rows[:SHOWN]:
        images = " ".join(f"![]({_data_uri(picture)})" for picture in pictures)
        lines.append(f"{images}<br>{plain_markdown(caption)}")
    if total > SHOWN:
        lines.append(f"… and {total - SHOWN} more")
    return dg.MetadataValue.md("\n\n".join(lines) or "nothing to show")


def sheet(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Pictures (n, H, W, 3) side by side in rows of `columns`, the last row filled up with white."""
    n, height, width, _ = images.shape
    rows = -(-n // columns)
    padded = np.full((rows * columns, height, width, 3), 255, np.uint8)
    padded[:n] = images
    return padded.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with everything outside the mask faded."""
    faded = (image * 0.25 + 191).astype(np.uint8)
    return np.where(mask[..., None], image, faded)


def _data_uri(picture: np.ndarray) -> str:
    image = Image.fromarray(picture if picture.dtype == np.uint8 else picture.astype(np.uint8) * 255)
    image.thumbnail((SIDE, SIDE))
    return picture_uri(image.convert("RGB"), "webp")
