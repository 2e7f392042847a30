"""Plain pictures of several kinds: little is drawn, on much ground."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 144
TEXTS = (
    "amber basin cedar delta ember fjord grove heron inlet jetty kelp larch marsh",
    "quick brown foxes jump over lazy dogs while seven wizards brew potent jinx",
    "Rechnung Betrag Steuer Kunde Nummer Datum Menge Preis Summe Zahlung ohne Abzug",
)


def page(seed: int) -> np.ndarray:
    """A page of printed lines."""
    rng = np.random.default_rng(seed)
    picture, pen = _sheet()
    for row in range(11):
        pen.text((8, 8 + 12 * row), " ".join(rng.choice(TEXTS[seed].split(), 5))[:26], font=_font(9), fill="black")
    return np.asarray(picture)


def word_mark(seed: int) -> np.ndarray:
    """A name in large letters."""
    picture, pen = _sheet()
    pen.text((72, 72), ("Halcyon", "BRIGHT", "Ostrum")[seed], font=_font(30), fill=(20, 20, 20), anchor="mm")
    return np.asarray(picture)


def icon(seed: int) -> np.ndarray:
    """A coloured shape in the middle of a white sheet."""
    picture, pen = _sheet()
    if seed == 0:
        pen.ellipse((42, 42, 102, 102), fill=(40, 110, 220), outline=(10, 30, 80), width=5)
    elif seed == 1:
        pen.polygon([(72, 36), (108, 106), (36, 106)], fill=(220, 140, 30))
    else:
        pen.rectangle((44, 60, 100, 108), fill=(150, 40, 120))
        pen.arc((54, 34, 90, 84), 180, 360, fill=(150, 40, 120), width=6)
    return np.asarray(picture)


def terminal(seed: int) -> np.ndarray:
    """Coloured words on a dark ground."""
    rng = np.random.default_rng(seed)
    picture, pen = _sheet((24, 26, 32))
    for row in range(10):
        x = 6 + 12 * int(rng.integers(0, 4))
        for word in rng.choice(TEXTS[seed].split(), int(rng.integers(1, 4))):
            pen.text((x, 5 + 14 * row), str(word), font=_font(9), fill=tuple(int(c) for c in rng.integers(110, 255, 3)))
            x += 6 * len(word) + 6
    return np.asarray(picture)


def outline(seed: int) -> np.ndarray:
    """A closed line and a few strokes."""
    rng = np.random.default_rng(seed)
    picture, pen = _sheet()
    turns = np.linspace(0, 2 * np.pi, 7)[:-1]
    radii = rng.uniform(32, 60, 6)
    corners = [(72 + r * np.cos(a), 72 + r * np.sin(a)) for r, a in zip(radii, turns, strict=True)]
    pen.polygon(corners, outline="black", width=3)
    for _ in range(4):
        pen.line([tuple(rng.integers(44, 100, 2).tolist()) for _ in range(2)], fill="black", width=3)
    return np.asarray(picture)


def gradient(seed: int) -> np.ndarray:
    """A sky."""
    ends = [((50, 90, 200), (235, 240, 250)), ((20, 20, 60), (240, 150, 90)), ((230, 230, 180), (40, 120, 60))]
    first, last = (np.array(end, float) for end in ends[seed])
    share = np.linspace(0, 1, SIDE)[:, None, None]
    return np.broadcast_to(first * (1 - share) + last * share, (SIDE, SIDE, 3)).astype(np.uint8)


KINDS: dict[str, Callable[[int], np.ndarray]] = {
    "page": page,
    "word mark": word_mark,
    "icon": icon,
    "terminal": terminal,
    "outline": outline,
    "gradient": gradient,
}
"""Name of a kind -> draws one of it by its seed, 0 to 2: uint8 (SIDE, SIDE, 3)."""


def _sheet(colour: tuple[int, int, int] = (255, 255, 255)) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (SIDE, SIDE), colour)
    return picture, ImageDraw.Draw(picture)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
