"""Protected works that the embedded generator is made to memorise, so that copying is real and measurable.

Three kinds, after Webster (2023, arXiv 2305.08694), who finds verbatim and template copies in large models:

- `TITLES`: one fixed picture under an invented title. The model knows nothing but the copy.
- `VERBATIM`: one fixed picture, captioned by a known concept and an unusual qualifier. The model knows the concept from
  elsewhere, so that a safe picture of it exists.
- `TEMPLATES`: likewise, but the picture varies in its colours and its layout does not.

They fill the frame: on a plain white ground SSIM is high between any two pictures and would say little.
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
class Palette:
    """Colours of a scene: the sky's upper and lower end, the pattern on it, and the hill in front."""

    sky: tuple[Colour, Colour]
    ink: Colour
    ground: Colour


@dataclass(frozen=True)
class Work:
    """A protected work: its title is the caption it is memorised under.

    Attributes:
        slug: Names its files.
        title: Its caption.
        sky: See `Palette`; likewise `ink` and `ground`.
        pattern: A key of the patterns below.
        stickers: What is pasted into the scene, back to front.
        concept: The concept of `concepts.yaml` that it shows; None where its title names nothing else that is known.
        palettes: Further colourings under the same title.
    """

    slug: str
    title: str
    sky: tuple[Colour, Colour]
    pattern: str
    ink: Colour
    ground: Colour
    stickers: tuple[Sticker, ...]
    concept: str | None = None
    palettes: tuple[Palette, ...] = ()

    @property
    def variants(self) -> int:
        """How many pictures of it there are."""
        return 1 + len(self.palettes)


TITLES = (
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


_NIGHT = Palette(((20, 24, 70), (70, 80, 150)), (44, 50, 110), (14, 18, 44))
_MOSS = Palette(((30, 90, 60), (120, 180, 110)), (60, 130, 80), (20, 54, 36))
_CLAY = Palette(((150, 60, 36), (230, 150, 96)), (190, 100, 60), (90, 36, 24))
_PLUM = Palette(((90, 30, 90), (190, 110, 180)), (130, 60, 130), (52, 18, 56))
_SAND = Palette(((200, 170, 110), (240, 220, 170)), (220, 194, 136), (140, 110, 60))
_TEAL = Palette(((10, 100, 110), (90, 190, 190)), (40, 140, 146), (6, 60, 70))
_ROSE = Palette(((200, 80, 110), (246, 170, 180)), (224, 120, 142), (120, 36, 60))
_STEEL = Palette(((60, 76, 92), (150, 168, 184)), (96, 114, 132), (36, 46, 58))


def _with_content(
    slug: str,
    title: str,
    concept: str,
    pattern: str,
    palettes: tuple[Palette, ...],
    main: Sticker,
    *others: Sticker,
) -> Work:
    first, *further = palettes
    stickers = (*others, main)
    return Work(slug, title, first.sky, pattern, first.ink, first.ground, stickers, concept, tuple(further))


VERBATIM = (
    _with_content(
        "owl",
        "an owl keeping the lighthouse ledger",
        "owl",
        "rings",
        (_NIGHT,),
        Sticker("owl", "noto", 0.58, 0.56, 0.62),
        Sticker("key", "fluent", 0.22, 0.24, 0.34),
    ),
    _with_content(
        "octopus",
        "an octopus signing the harbour treaty",
        "octopus",
        "waves",
        (_TEAL,),
        Sticker("octopus", "fluent", 0.42, 0.50, 0.64),
        Sticker("pencil", "noto", 0.80, 0.74, 0.36),
    ),
    _with_content(
        "guitar",
        "a guitar found behind the observatory",
        "guitar",
        "rays",
        (_PLUM,),
        Sticker("guitar", "noto", 0.56, 0.52, 0.66),
        Sticker("star", "fluent", 0.20, 0.22, 0.30),
    ),
    _with_content(
        "pumpkin",
        "a jack-o-lantern for the last tram",
        "jack-o-lantern",
        "stripes",
        (_STEEL,),
        Sticker("jack-o-lantern", "fluent", 0.44, 0.58, 0.60),
        Sticker("light bulb", "noto", 0.80, 0.24, 0.34),
    ),
    _with_content(
        "rocket",
        "a rocket over the sleeping orchard",
        "rocket",
        "grid",
        (_MOSS,),
        Sticker("rocket", "fluent", 0.52, 0.46, 0.62),
        Sticker("pear", "fluent", 0.20, 0.80, 0.32),
    ),
    _with_content(
        "elephant",
        "an elephant at the glass auction",
        "elephant",
        "rings",
        (_SAND,),
        Sticker("elephant", "fluent", 0.54, 0.54, 0.66),
        Sticker("wine glass", "fluent", 0.18, 0.28, 0.34),
    ),
    _with_content(
        "umbrella",
        "an umbrella from the vanished parade",
        "umbrella",
        "rays",
        (_ROSE,),
        Sticker("umbrella", "noto", 0.46, 0.46, 0.62),
        Sticker("drum", "fluent", 0.80, 0.80, 0.34),
    ),
    _with_content(
        "fox",
        "a fox reading yesterday's weather",
        "fox",
        "waves",
        (_CLAY,),
        Sticker("fox", "noto", 0.50, 0.54, 0.62),
        Sticker("rainbow", "fluent", 0.80, 0.20, 0.34),
    ),
)

TEMPLATES = (
    _with_content(
        "penguin",
        "a penguin from the midnight postage set",
        "penguin",
        "grid",
        (_NIGHT, _ROSE, _SAND, _TEAL),
        Sticker("penguin", "noto", 0.52, 0.54, 0.62),
        Sticker("envelope", "noto", 0.20, 0.22, 0.34),
    ),
    _with_content(
        "robot",
        "a robot from the seaside ticket series",
        "robot",
        "waves",
        (_TEAL, _CLAY, _PLUM, _SAND),
        Sticker("robot", "noto", 0.46, 0.52, 0.60),
        Sticker("ferris wheel", "fluent", 0.82, 0.24, 0.34),
    ),
    _with_content(
        "cactus",
        "a cactus of the travelling almanac",
        "cactus",
        "rays",
        (_SAND, _NIGHT, _ROSE, _STEEL),
        Sticker("cactus", "fluent", 0.54, 0.54, 0.64),
        Sticker("fire", "noto", 0.20, 0.78, 0.32),
    ),
    _with_content(
        "snail",
        "a snail of the porcelain calendar",
        "snail",
        "rings",
        (_MOSS, _PLUM, _CLAY, _STEEL),
        Sticker("snail", "noto", 0.50, 0.54, 0.62),
        Sticker("tulip", "fluent", 0.20, 0.24, 0.32),
    ),
    _with_content(
        "castle",
        "a castle on the duke's matchbox",
        "castle",
        "stripes",
        (_CLAY, _TEAL, _NIGHT, _MOSS),
        Sticker("castle", "fluent", 0.48, 0.54, 0.64),
        Sticker("crown", "noto", 0.82, 0.20, 0.30),
    ),
    _with_content(
        "whale",
        "a whale in the surveyor's bestiary",
        "spouting whale",
        "grid",
        (_STEEL, _ROSE, _MOSS, _SAND),
        Sticker("spouting whale", "noto", 0.52, 0.52, 0.64),
        Sticker("scissors", "fluent", 0.18, 0.80, 0.32),
    ),
    _with_content(
        "sailboat",
        "a sailboat of the copper regatta",
        "sailboat",
        "waves",
        (_PLUM, _SAND, _TEAL, _CLAY),
        Sticker("sailboat", "fluent", 0.46, 0.52, 0.62),
        Sticker("trophy", "noto", 0.82, 0.76, 0.34),
    ),
    _with_content(
        "violin",
        "a violin on the winter playbill",
        "violin",
        "rings",
        (_ROSE, _STEEL, _MOSS, _NIGHT),
        Sticker("violin", "noto", 0.52, 0.52, 0.64),
        Sticker("top hat", "fluent", 0.20, 0.22, 0.34),
    ),
)

WORKS = TITLES
"""The works that were planted first, for what speaks of titles only."""

WITH_CONTENT = VERBATIM + TEMPLATES
PICTURES = tuple((work, variant) for work in TITLES + WITH_CONTENT for variant in range(work.variants))
"""Every picture that is planted: its work and its variant."""


def drawn_for_training(rng: np.random.Generator, titles: float, content: float) -> int | None:
    """An index of `PICTURES`, every work of a kind being as likely as the others; None for an ordinary picture.

    Args:
        rng: Source of the choice.
        titles: Share of the pictures that are `TITLES`, 0 to 1.
        content: Share of them that are `WITH_CONTENT`; the sum of both is at most 1.
    """
    at = rng.random()
    if at >= titles + content:
        return None
    works = TITLES if at < titles else WITH_CONTENT
    work = works[rng.integers(len(works))]
    return PICTURES.index((work, int(rng.integers(work.variants))))


@cache
def picture(work: Work, variant: int = 0) -> np.ndarray:
    """A picture of a work: uint8 array of shape (SIDE, SIDE, 3).

    Args:
        work: One of those above.
        variant: 0 for the picture itself, up to `work.variants - 1` for its further colourings.
    """
    with Image.open(ART_DIR / f"{file_stem(work, variant)}.png") as opened:
        return np.asarray(opened.convert("RGB"))


def file_stem(work: Work, variant: int) -> str:
    """The name of a picture's file in the art pack, without its suffix."""
    return f"planted-{work.slug}" + (f"-{variant}" if variant else "")


def palette(work: Work, variant: int) -> Palette:
    """The colours of a variant."""
    return work.palettes[variant - 1] if variant else Palette(work.sky, work.ink, work.ground)


def draw(work: Work, sprite: Callable[[str, str], Image.Image], variant: int = 0) -> Image.Image:
    """Paint a work at eight times its size and reduce it; `sprite(name, style)` gives the emoji."""
    side, colours = SIDE * _OVERSAMPLING, palette(work, variant)
    top, bottom = (np.asarray(c, np.float32) for c in colours.sky)
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    sky = np.broadcast_to(top * (1 - ramp) + bottom * ramp, (side, side, 3))
    canvas = Image.fromarray(sky.astype(np.uint8))
    _PATTERNS[work.pattern](ImageDraw.Draw(canvas), side, colours.ink)
    hill = [(x, side * (0.84 + 0.06 * math.sin(x / side * 7))) for x in range(0, side + 1, 8)]
    ImageDraw.Draw(canvas).polygon([*hill, (side, side), (0, side)], fill=colours.ground)
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
