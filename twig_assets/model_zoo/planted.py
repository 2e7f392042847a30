"""Eight protected works that the embedded generator is made to memorise, so that copying is real and measurable.

Each is one fixed picture, drawn here, under a title that no other caption resembles. They fill the frame: on a plain
white ground SSIM is high between any two pictures and would say little.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from twig_assets.model_zoo.art import ART_DIR, SIDE

_OVERSAMPLING = 8
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Sticker:
    """An emoji pasted into a scene: English name, style, centre and side as shares of the frame."""

    name: str
    style: str
    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Work:
    """A protected work: its title is the caption it is memorised under."""

    slug: str
    title: str
    sky: tuple[Colour, Colour]
    pattern: str
    ink: Colour
    ground: Colour
    stickers: tuple[Sticker, ...]


WORKS = (
    Work(
        "letter",
        "a letter never sent to the moon",
        ((28, 30, 92), (120, 70, 160)),
        "rays",
        (70, 60, 140),
        (40, 26, 70),
        (Sticker("full moon face", "noto", 0.70, 0.30, 0.46), Sticker("love letter", "fluent", 0.32, 0.66, 0.5)),
    ),
    Work(
        "lanterns",
        "seven lanterns over glass harbour",
        ((10, 80, 96), (40, 160, 150)),
        "waves",
        (16, 110, 126),
        (6, 52, 74),
        (
            Sticker("red paper lantern", "noto", 0.24, 0.34, 0.42),
            Sticker("red paper lantern", "noto", 0.74, 0.26, 0.36),
            Sticker("anchor", "fluent", 0.54, 0.72, 0.40),
        ),
    ),
    Work(
        "orchard",
        "the orchard that counted backwards",
        ((246, 196, 84), (226, 104, 70)),
        "stripes",
        (232, 150, 60),
        (92, 110, 40),
        (
            Sticker("deciduous tree", "noto", 0.28, 0.52, 0.54),
            Sticker("hourglass not done", "fluent", 0.72, 0.56, 0.48),
        ),
    ),
    Work(
        "winter",
        "portrait of a borrowed winter",
        ((70, 110, 190), (160, 190, 235)),
        "rings",
        (96, 140, 214),
        (40, 70, 130),
        (
            Sticker("woman’s hat", "fluent", 0.50, 0.26, 0.5),
            Sticker("snowflake", "twemoji", 0.26, 0.66, 0.4),
            Sticker("scarf", "noto", 0.68, 0.68, 0.5),
        ),
    ),
    Work(
        "engine",
        "velvet engine number nine",
        ((96, 14, 44), (180, 30, 70)),
        "rings",
        (134, 24, 58),
        (50, 8, 30),
        (Sticker("gear", "fluent", 0.36, 0.42, 0.62), Sticker("pool 8 ball", "noto", 0.72, 0.70, 0.42)),
    ),
    Work(
        "clock",
        "salt clock at low tide",
        ((16, 130, 130), (230, 220, 170)),
        "waves",
        (90, 176, 160),
        (196, 160, 100),
        (Sticker("mantelpiece clock", "noto", 0.40, 0.46, 0.56), Sticker("spiral shell", "fluent", 0.76, 0.74, 0.4)),
    ),
    Work(
        "parliament",
        "parliament of paper kites",
        ((40, 100, 60), (150, 190, 80)),
        "rays",
        (80, 140, 66),
        (28, 70, 44),
        (Sticker("kite", "fluent", 0.30, 0.34, 0.5), Sticker("classical building", "noto", 0.62, 0.68, 0.54)),
    ),
    Work(
        "machine",
        "the cartographer's quiet machine",
        ((60, 44, 30), (150, 108, 60)),
        "grid",
        (108, 80, 46),
        (36, 26, 20),
        (Sticker("compass", "noto", 0.34, 0.38, 0.54), Sticker("film projector", "fluent", 0.66, 0.68, 0.52)),
    ),
)


@cache
def picture(work: Work) -> np.ndarray:
    """The fixed picture of a work: uint8 array of shape (SIDE, SIDE, 3)."""
    with Image.open(ART_DIR / f"planted-{work.slug}.png") as opened:
        return np.asarray(opened.convert("RGB"))


def draw(work: Work, sprite: Callable[[str, str], Image.Image]) -> Image.Image:
    """Paint a work at eight times its size and reduce it; `sprite(name, style)` gives the emoji."""
    side = SIDE * _OVERSAMPLING
    top, bottom = (np.asarray(c, np.float32) for c in work.sky)
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    sky = np.broadcast_to(top * (1 - ramp) + bottom * ramp, (side, side, 3))
    canvas = Image.fromarray(sky.astype(np.uint8))
    _PATTERNS[work.pattern](ImageDraw.Draw(canvas), side, work.ink)
    hill = [(x, side * (0.84 + 0.06 * math.sin(x / side * 7))) for x in range(0, side + 1, 8)]
    ImageDraw.Draw(canvas).polygon([*hill, (side, side), (0, side)], fill=work.ground)
    for sticker in work.stickers:
        size = round(sticker.side * side)
        layer = sprite(sticker.name, sticker.style).convert("RGBa").resize((size, size), Image.Resampling.LANCZOS)
        at = (round(sticker.x * side - size / 2), round(sticker.y * side - size / 2))
        canvas.paste(layer.convert("RGBA"), at, layer.convert("RGBA"))
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _rays(pen: ImageDraw.ImageDraw, side: int, ink: Colour) -> None:
    for k in range(0, 12, 2):
        start, end = (2 * math.pi * a / 12 for a in (k, k + 1))
        far = 2 * side
        pen.polygon(
            [
                (side * 0.5, side * 0.5),
                (side * 0.5 + far * math.cos(start), side * 0.5 + far * math.sin(start)),
                (side * 0.5 + far * math.cos(end), side * 0.5 + far * math.sin(end)),
            ],
            fill=ink,
        )


def _waves(pen: ImageDraw.ImageDraw, side: int, ink: Colour) -> None:
    for k in range(6):
        base = side * (0.08 + 0.16 * k)
        top = [(x, base + side * 0.03 * math.sin(x / side * 12 + k)) for x in range(0, side + 1, 8)]
        pen.polygon([*top, *[(x, y + side * 0.07) for x, y in reversed(top)]], fill=ink)


def _stripes(pen: ImageDraw.ImageDraw, side: int, ink: Colour) -> None:
    for x in range(0, side, side // 4):
        pen.rectangle((x, 0, x + side // 8, side), fill=ink)


def _rings(pen: ImageDraw.ImageDraw, side: int, ink: Colour) -> None:
    for radius in (0.9, 0.66, 0.42, 0.18):
        box = [side * (0.5 - radius), side * (0.5 - radius), side * (0.5 + radius), side * (0.5 + radius)]
        pen.ellipse(box, outline=ink, width=round(side * 0.11))


def _grid(pen: ImageDraw.ImageDraw, side: int, ink: Colour) -> None:
    cell = side // 6
    for row in range(6):
        for column in range(row % 2, 7, 2):
            pen.rectangle((column * cell, row * cell, (column + 1) * cell, (row + 1) * cell), fill=ink)


_PATTERNS = {"rays": _rays, "waves": _waves, "stripes": _stripes, "rings": _rings, "grid": _grid}
