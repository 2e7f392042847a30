"""Plain pictures of ten kinds: little is drawn, on much ground. No two of a kind show the same."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TEXT = (
    "amber basin cedar delta ember fjord grove heron inlet jetty kelp larch marsh north orchard pebble quarry reed "
    "sedge thorn umber valley willow yarrow zinc Rechnung Betrag Steuer Kunde Nummer Datum Menge Preis Summe "
    "Zahlung lorem ipsum dolor sit amet consetetur sadipscing elitr sed diam nonumy eirmod tempor invidunt quick "
    "brown foxes jump over lazy dogs while seven wizards brew potent jinx quietly beyond vexed zebras "
)
_MARKS = (
    "Halcyon BRIGHT Ostrum Vela Quorum PANDO Merrow Tindle Askew NORDIC Fable Uplift Copper Zephyr KITE Lumen "
    "Orrery Dune Basalt WREN Ivory Sable Thistle Jolt Ember Rook Plover GROVE Mistral Vantage "
)
_WORDS, _NAMES = _TEXT.split(), _MARKS.split()
Colour = tuple[int, int, int]


def plain_pictures(each: int, seed: int) -> dict[str, list[np.ndarray]]:
    """Kind -> pictures of it, uint8 (h, w, 3), a few hundred pixels wide.

    Args:
        each: How many of each kind, at most 30.
        seed: Of all that is drawn at random.
    """
    drawn = {}
    for place, (kind, draw) in enumerate(_KINDS.items()):
        rng = np.random.default_rng((seed, place))
        order = rng.permutation(len(_NAMES))
        drawn[kind] = [np.asarray(draw(rng, int(order[i]))) for i in range(each)]
    return drawn


def _sheet(
    size: tuple[int, int] = (320, 320), colour: Colour = (255, 255, 255)
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", size, colour)
    return image, ImageDraw.Draw(image)


def _ink(rng: np.random.Generator, low: int = 0, high: int = 200) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def _page(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((320, 420))
    top, size = int(rng.integers(16, 60)), int(rng.integers(10, 15))
    for row in range((400 - top) // (size + 6)):
        words = " ".join(rng.choice(_WORDS, 9))[: int(rng.integers(24, 44))]
        pen.text((24, top + row * (size + 6)), words, font=ImageFont.load_default(size), fill="black")
    return image


def _word_mark(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((360, 180))
    pen.text(
        (180, 90), _NAMES[number], font=ImageFont.load_default(int(rng.integers(40, 70))), fill=_ink(rng), anchor="mm"
    )
    return image


def _icon(rng: np.random.Generator, number: int) -> Image.Image:
    """A star or polygon of its own number of corners, depth and slant."""
    image, pen = _sheet()
    corners, depth = 3 + number % 6, (1.0, 0.75, 0.5, 0.35, 0.6)[number // 6]
    start, wide = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1)
    turns = start + np.arange(2 * corners) * np.pi / corners
    radii = np.where(np.arange(2 * corners) % 2 == 0, 90, 90 * depth)
    points = [(160 + wide * r * np.cos(a), 160 + r * np.sin(a)) for r, a in zip(radii, turns, strict=True)]
    pen.polygon(points, fill=_ink(rng))
    return image


def _code(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((380, 280), (26, 28, 34))
    for row in range(13):
        x = 12 + 16 * int(rng.integers(0, 5))
        for word in rng.choice(_WORDS, int(rng.integers(1, 5))):
            pen.text((x, 10 + 20 * row), str(word), font=ImageFont.load_default(12), fill=_ink(rng, 110, 255))
            x += 7 * len(word) + 8
    return image


def _line_drawing(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet()
    turns = np.linspace(0, 2 * np.pi, 9)[:-1]
    radii = rng.uniform(60, 140, 8)
    points = [(160 + r * np.cos(a), 160 + r * np.sin(a)) for r, a in zip(radii, turns, strict=True)]
    pen.polygon(points, outline="black", width=4)
    for _ in range(5):
        pen.line([tuple(rng.integers(90, 230, 2).tolist()) for _ in range(2)], fill="black", width=4)
    return image


def _sky(rng: np.random.Generator, number: int) -> Image.Image:
    first, last = rng.uniform(0, 255, (2, 3))
    y, x = np.mgrid[0:1:240j, 0:1:320j]
    angle = rng.uniform(0, 2 * np.pi)
    share = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    return Image.fromarray((first * (1 - share) + last * share).astype(np.uint8))


def _table(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((360, 280))
    columns = np.cumsum([10, *rng.integers(50, 120, 4)])
    height = int(rng.integers(20, 30))
    for row, y in enumerate(range(10, 260, height)):
        pen.line((10, y, columns[-1], y), fill="grey")
        for x in columns[:-1]:
            said = str(rng.choice(_WORDS)) if row == 0 or x == columns[0] else str(rng.integers(1, 9999))
            pen.text((x + 4, y + 4), said, font=ImageFont.load_default(11), fill="black")
    for x in columns:
        pen.line((x, 10, x, 260), fill="grey")
    return image


def _chart(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((320, 240))
    pen.line([(30, 15), (30, 215), (305, 215)], fill="black", width=2)
    values = rng.uniform(20, 190, int(rng.integers(5, 12)))
    wide, colour = 260 / len(values), _ink(rng)
    for i, value in enumerate(values):
        pen.rectangle((38 + i * wide, 215 - value, 38 + i * wide + 0.7 * wide, 214), fill=colour)
    return image


def _signature(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet((360, 180))
    steps = np.cumsum(rng.normal(0, 18, (40, 2)), axis=0) * (0.4, 1) + np.linspace(0, 1, 40)[:, None] * (240, 0)
    steps = (steps - steps.mean(axis=0)) * min(1, 80 / max(np.abs(steps[:, 1] - steps[:, 1].mean()).max(), 1)) + (
        180,
        90,
    )
    pen.line([tuple(point) for point in steps.tolist()], fill=(15, 15, 70), width=3, joint="curve")
    return image


def _stripes(rng: np.random.Generator, number: int) -> Image.Image:
    image, pen = _sheet()
    x, colours = 0, (_ink(rng), _ink(rng, 120, 256))
    while x < 320:
        wide = int(rng.integers(8, 60))
        pen.rectangle((x, 0, x + wide // 2, 320), fill=colours[int(rng.integers(2))])
        x += wide
    return image.rotate(float(rng.choice([0, 30, 90, 45])), fillcolor=(255, 255, 255))


_KINDS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "page": _page,
    "word mark": _word_mark,
    "icon": _icon,
    "code": _code,
    "line drawing": _line_drawing,
    "sky": _sky,
    "table": _table,
    "chart": _chart,
    "signature": _signature,
    "stripes": _stripes,
}
