"""Small pictures for asset metadata: Dagster keeps metadata in its event log, so they stay under 128 px."""

from collections.abc import Sequence

import dagster as dg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from twig_assets.escaping import plain_markdown
from twig_assets.files import picture_uri
from twig_assets.similarity.corpus.sizes import reduced

SIDE = 96
SHOWN = 12
_HEAD, _GAP = 16, 6


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


def sheet(groups: Sequence[Sequence[np.ndarray]], side: int = 128, columns: int = 12) -> np.ndarray:
    """Groups of pictures side by side, each under its number, which captions name.

    Args:
        groups: At least one, of at least one picture each, uint8 (h, w, 3).
        side: Pictures are reduced to this many pixels; smaller ones stay as they are.
        columns: How many pictures a row has, as far as groups are not broken.

    Returns:
        uint8 (H, W, 3).
    """
    pictures = [[reduced(picture, side) for picture in group] for group in groups]
    cell = max(max(picture.shape[:2]) for group in pictures for picture in group)
    of_group = max(map(len, pictures))
    across = max(1, min(len(pictures), columns // of_group))
    width, height = of_group * cell + _GAP, cell + _HEAD + _GAP
    page = Image.new("RGB", (across * width, -(-len(pictures) // across) * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_HEAD - 4)
    for number, group in enumerate(pictures):
        left, top = (number % across) * width, (number // across) * height
        pen.text((left + 2, top), str(number + 1), "black", font)
        for place, picture in enumerate(group):
            page.paste(Image.fromarray(picture), (left + place * cell, top + _HEAD))
    return np.asarray(page)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with everything outside the mask faded."""
    faded = (image * 0.25 + 191).astype(np.uint8)
    return np.where(mask[..., None], image, faded)


def _data_uri(picture: np.ndarray) -> str:
    image = Image.fromarray(picture if picture.dtype == np.uint8 else picture.astype(np.uint8) * 255)
    image.thumbnail((SIDE, SIDE))
    return picture_uri(image.convert("RGB"), "webp")
