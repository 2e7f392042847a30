"""Scenes the segmenter is trained and measured on: drawings over each other on many grounds, with their masks.

A mask is the visible part of a drawing's silhouette: gaps inside it, as line drawings have between their strokes, count
as the object, because what the segmenter is asked for is the shape an object takes up.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from twig_assets.model_zoo.art import BACKGROUNDS, SIDE, STYLES, concept_names, sprites

HELD_OUT_SHARE = 0.1
MIN_VISIBLE_PIXELS = 24
MIN_VISIBLE_SHARE = 0.3
_HELD_OUT_SEED = 20250423


@dataclass(frozen=True)
class Scene:
    """One picture and what is in it.

    Attributes:
        image: uint8 array of shape (SIDE, SIDE, 3).
        masks: bool array of shape (n, SIDE, SIDE), n >= 1: the visible part of each object, front to back. Objects that
            are nearly hidden are left out.
        ground: bool array of shape (SIDE, SIDE): where no object is.
    """

    image: np.ndarray
    masks: np.ndarray
    ground: np.ndarray


@cache
def held_out_concepts() -> frozenset[str]:
    """The concepts that no scene in training shows, in any style."""
    names = concept_names()
    rng = np.random.default_rng(_HELD_OUT_SEED)
    return frozenset(names[i] for i in rng.choice(len(names), round(HELD_OUT_SHARE * len(names)), replace=False))


def training_concepts() -> tuple[str, ...]:
    """All concepts but the held-out ones."""
    return tuple(name for name in concept_names() if name not in held_out_concepts())


@cache
def silhouette(name: str, style: str) -> Image.Image:
    """The outline of a drawing, filled: mode `L`, SIDE x SIDE, 0 or 255."""
    solid = np.pad(np.asarray(sprites()[name, style])[..., 3] > 96, 3)
    # Closing by one pixel shuts outlines that are broken at this size, such as a whiskered cheek.
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(solid, np.ones((3, 3))))
    return Image.fromarray((closed[3:-3, 3:-3] * 255).astype(np.uint8))


def scene(rng: np.random.Generator, concepts: Sequence[str], count: int | None = None) -> Scene:
    """Compose a scene.

    Args:
        rng: Source of every choice.
        concepts: Names to draw from; the style is any.
        count: Drawings in the scene, 1 to 3; a random number, more often few, when None.
    """
    wanted = count or int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    while True:
        pixels = ground(rng)
        shapes: list[np.ndarray] = []
        for _ in range(wanted):
            name, style = concepts[int(rng.integers(len(concepts)))], STYLES[rng.integers(len(STYLES))]
            layer, shape = _placed(name, style, rng, alone=wanted == 1)
            pixels = layer[..., :3] + pixels * (1 - layer[..., 3:] / 255)
            shapes.insert(0, shape)
        masks = _visible(shapes)
        if len(masks):
            return Scene(worn(pixels, rng), masks, ~np.any(shapes, axis=0))


def pasted(ground: np.ndarray, rng: np.random.Generator, concepts: Sequence[str], size: float) -> Scene:
    """A drawing on a given ground, whole and not turned.

    Args:
        ground: float (SIDE, SIDE, 3), 0 to 255.
        rng: Source of every choice.
        concepts: Names to draw from; the style is any but the outlined one, whose drawings have no inside.
        size: Side of the drawing as a share of the ground's, above 0 and below 1.
    """
    styles = [style for style in STYLES if style != "glyph"]
    name, style = concepts[int(rng.integers(len(concepts)))], styles[int(rng.integers(len(styles)))]
    side = round(SIDE * size)
    x, y = (int(v) for v in rng.integers(0, SIDE - side + 1, size=2))
    sheet, outline = Image.new("RGBa", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
    sheet.paste(sprites()[name, style].resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0), (x, y))
    outline.paste(silhouette(name, style).resize((side, side), Image.Resampling.BILINEAR), (x, y))
    layer, shape = np.array(sheet, np.float32), np.asarray(outline) > 127
    pixels = layer[..., :3] + ground * (1 - layer[..., 3:] / 255)
    return Scene(pixels.round().clip(0, 255).astype(np.uint8), shape[None], ~shape)


def _visible(shapes: list[np.ndarray]) -> np.ndarray:
    """Visible parts of whole shapes given front to back, without those that hardly show: bool (n, SIDE, SIDE)."""
    covered = np.zeros((SIDE, SIDE), bool)
    kept = []
    for shape in shapes:
        seen = shape & ~covered
        covered |= shape
        if seen.sum() >= max(MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE * shape.sum()):
            kept.append(seen)
    return np.stack(kept) if kept else np.zeros((0, SIDE, SIDE), bool)


def _placed(name: str, style: str, rng: np.random.Generator, alone: bool) -> tuple[np.ndarray, np.ndarray]:
    """A drawing at a random scale, angle and place: premultiplied float (SIDE, SIDE, 4) and its filled silhouette."""
    side = round(SIDE * (rng.uniform(0.3, 0.95) if alone else rng.uniform(0.25, 0.7)))
    drawing, shape = sprites()[name, style], silhouette(name, style)
    if rng.random() < 0.5:
        drawing, shape = (part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for part in (drawing, shape))
    if rng.random() < 0.25:
        angle = rng.uniform(-20, 20)
        drawing, shape = (part.rotate(angle, Image.Resampling.BILINEAR) for part in (drawing, shape))
    drawing = drawing.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    shape = shape.resize((side, side), Image.Resampling.BILINEAR)
    # One drawing in seven is cut by the frame, by at most a quarter of its side.
    out = side // 4 if rng.random() < 0.15 else 0
    x, y = (int(v) for v in rng.integers(-out, SIDE - side + out + 1, size=2))
    sheet, outline = Image.new("RGBa", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
    sheet.paste(drawing, (x, y))
    outline.paste(shape, (x, y))
    layer = np.array(sheet, np.float32)
    if rng.random() < 0.3:
        layer[..., :3] = np.minimum(layer[..., :3] * rng.uniform(0.7, 1.25, size=3), layer[..., 3:])
    return layer, np.asarray(outline) > 127


def ground(rng: np.random.Generator) -> np.ndarray:
    """A plain, shaded or patterned ground: float array of shape (SIDE, SIDE, 3) in 0..255."""
    kind = rng.random()
    if kind < 0.3:
        names = list(BACKGROUNDS)
        return np.full((SIDE, SIDE, 3), BACKGROUNDS[names[rng.integers(len(names))]], np.float32)
    base, ink = rng.uniform(0, 255, size=(2, 3)).astype(np.float32)
    if kind < 0.45:
        return np.full((SIDE, SIDE, 3), base, np.float32)
    if kind < 0.65:
        return base + (ink - base) * _ramp(rng)
    if kind < 0.8:
        return base + rng.uniform(10, 60) * _clouds(rng)
    contrast = rng.uniform(0.15, 0.6)
    return base + contrast * (ink - base) * _pattern(rng)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    return x, y


def _ramp(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    return ((along - along.min()) / np.ptp(along))[..., None]


def _clouds(rng: np.random.Generator) -> np.ndarray:
    cells = int(rng.integers(3, 13))
    coarse = Image.fromarray(rng.uniform(-1, 1, size=(cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))[..., None]


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks, rings, rays, waves or a horizon: 0..1 with soft edges."""
    x, y = _grid()
    cx, cy, turn = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0, np.pi)
    rate = 2 * np.pi * rng.uniform(1.5, 6)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    waves = (
        np.sin(rate * along),
        np.sin(rate * along) * np.sin(rate * across),
        np.sin(rate * np.hypot(x - cx, y - cy)),
        np.sin(round(rate) * np.arctan2(y - cy, x - cx) / 2),
        np.sin(rate * (y + 0.04 * np.sin(12 * x))),
        y - cy - 0.1 * np.sin(7 * x + turn),
    )
    wave = waves[rng.integers(len(waves))]
    return np.clip(wave * rng.uniform(2, 12) + 0.5, 0, 1)[..., None]


def worn(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as a generator or a file format might hand it on: blurred, noisy or compressed, always mildly.

    Args:
        pixels: float array of shape (SIDE, SIDE, 3) in 0..255.
        rng: Source of every choice.
    """
    pixels = pixels * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12) if rng.random() < 0.4 else pixels
    if rng.random() < 0.3:
        pixels = pixels + rng.normal(0, rng.uniform(1, 8), size=pixels.shape)
    image = np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
        image = np.asarray(blurred)
    if rng.random() < 0.25:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=int(rng.integers(40, 95)))
        image = np.asarray(Image.open(file))
    return image
