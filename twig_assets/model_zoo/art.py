"""The art the embedded models are trained on: 134 concepts in four drawing styles, and random views of them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

ART_DIR = Path(__file__).parent / "art"
SIDE = 64
STYLES = ("twemoji", "noto", "fluent", "glyph")
BACKGROUNDS = {
    "white": (255, 255, 255),
    "grey": (190, 194, 200),
    "pink": (250, 176, 196),
    "orange": (248, 190, 120),
    "yellow": (250, 232, 140),
    "green": (160, 220, 160),
    "blue": (150, 200, 245),
    "purple": (200, 176, 240),
}
HELD_OUT_SHARE = 0.1
_HELD_OUT_SEED = 20250421


@dataclass(frozen=True)
class View:
    """One random picture of one concept.

    Attributes:
        image: uint8 array of shape (SIDE, SIDE, 3).
        alpha: uint8 array of shape (SIDE, SIDE): the opacity of the drawing at its place, 0 where the ground shows.
        background: A key of `BACKGROUNDS`.
    """

    image: np.ndarray
    alpha: np.ndarray
    background: str


@cache
def families() -> dict[str, dict[str, list[str]]]:
    """Family -> concept name -> other words for it, as `concepts.yaml` has them."""
    return yaml.safe_load((Path(__file__).parent / "concepts.yaml").read_text(encoding="utf-8"))


@cache
def concept_names() -> tuple[str, ...]:
    """All concept names, in the order that classifier labels and sprite sheets use."""
    return tuple(name for family in families().values() for name in family)


@cache
def aliases() -> dict[str, list[str]]:
    """Concept name -> other words for it."""
    return {name: words for family in families().values() for name, words in family.items()}


@cache
def sprites() -> dict[tuple[str, str], Image.Image]:
    """(concept, style) -> RGBA drawing of SIDE x SIDE pixels with premultiplied alpha (Pillow mode `RGBa`)."""
    drawings = {}
    for style in STYLES:
        with Image.open(ART_DIR / f"{style}.webp") as opened:
            sheet = opened.convert("RGBA").convert("RGBa")
        columns = sheet.width // SIDE
        for i, name in enumerate(concept_names()):
            x, y = (i % columns) * SIDE, (i // columns) * SIDE
            drawings[name, style] = sheet.crop((x, y, x + SIDE, y + SIDE))
    return drawings


@cache
def held_out() -> frozenset[tuple[str, str]]:
    """The (concept, style) pairs that no training stage of the generator sees: at most one style per concept."""
    rng = np.random.default_rng(_HELD_OUT_SEED)
    names = concept_names()
    count = round(HELD_OUT_SHARE * len(names) * len(STYLES))
    chosen = rng.choice(len(names), size=count, replace=False)
    return frozenset((names[i], STYLES[rng.integers(len(STYLES))]) for i in sorted(chosen))


def training_pairs() -> list[tuple[str, str]]:
    """All (concept, style) pairs but the held-out ones."""
    return [(name, style) for name in concept_names() for style in STYLES if (name, style) not in held_out()]


def view(
    sprite: Image.Image,
    rng: np.random.Generator,
    scale: tuple[float, float] = (0.5, 0.95),
    background: str | None = None,
) -> View:
    """Draw a sprite at a random scale and place, mirrored half of the time, on a plain ground.

    Args:
        sprite: A value of `sprites()`.
        rng: Source of every choice.
        scale: Smallest and largest side of the drawing as a share of the frame.
        background: A key of `BACKGROUNDS`; white 30 % of the time and otherwise any when None.
    """
    side = round(SIDE * rng.uniform(*scale))
    drawing = sprite.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    if rng.random() < 0.5:
        drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    x, y = rng.integers(0, SIDE - side + 1, size=2)
    if background is None:
        names = list(BACKGROUNDS)
        background = names[0] if rng.random() < 0.3 else names[rng.integers(1, len(names))]
    return _compose(drawing, int(x), int(y), background)


def _compose(drawing: Image.Image, x: int, y: int, background: str) -> View:
    pixels = np.zeros((SIDE, SIDE, 4), np.float32)
    layer = np.asarray(drawing, np.float32)
    pixels[y : y + layer.shape[0], x : x + layer.shape[1]] = layer
    alpha = pixels[..., 3:]
    ground = np.asarray(BACKGROUNDS[background], np.float32)
    image = pixels[..., :3] + ground * (1 - alpha / 255)
    return View(np.clip(image + 0.5, 0, 255).astype(np.uint8), alpha[..., 0].astype(np.uint8), background)
