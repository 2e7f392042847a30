"""What the benchmark's campaign protects: two concepts, the planted works, art on plain grounds, and logos."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import SIDE, held_out, sprites, view

CONCEPTS: tuple[dict[str, Any], ...] = (
    {
        "name": "pouting-cat",
        "target": "pouting cat",
        "anchor": "cat face",
        "kind": "object",
        "aliases": ["angry cat", "sulking cat"],
        "preserve": ["grinning cat", "lion", "tiger face", "dog face"],
    },
    {
        "name": "police-car",
        "target": "police car",
        "anchor": "bus",
        "kind": "object",
        "aliases": ["police vehicle"],
        "preserve": ["automobile", "taxi", "fire engine", "racing car"],
    },
)
"""The concepts that are removed, as `concepts.yaml` has them: two of the demo's, since each edit takes a minute."""

_SEED = 9_500_017
_OVERSAMPLING = 8
_MARK = 38
_GROUNDS = ("white", "white", "white", "white", "blue", "pink", "yellow", "green")


def write_corpus(folder: Path) -> int:
    """Write 36 works as PNG, with the table that names them; returns how many there are.

    The 24 planted works (the first colouring of each, so that the others have to be found by what they share with it),
    four drawings on plain white, four on a coloured ground, and four logos. Like most logos the others leave much of
    their ground free, which is what SSIM takes other pictures on plain white for.

    Args:
        folder: Where; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    works = {work.slug: (work.title, planted.picture(work)) for work in planted.TITLES + planted.WITH_CONTENT}
    works |= {f"art-{i}": (f"registered drawing {i}", art(i)) for i in range(len(_GROUNDS))}
    works |= {f"logo-{name}": (f"the mark {name}", logo(name)) for name in LOGOS}
    lines = ["file,title,rights_holder,licence"]
    for slug, (title, pixels) in works.items():
        Image.fromarray(pixels).save(folder / f"{slug}.png")
        lines.append(f"{slug}.png,{title},twig-assets benchmark (invented),invented")
    (folder / "references.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(works)


@cache
def protected_art() -> tuple[tuple[str, str], ...]:
    """The (concept, style) pairs that are protected; the generator has never seen these drawings."""
    removed = {concept["target"] for concept in CONCEPTS}
    pairs = sorted(pair for pair in held_out() if pair[0] not in removed)
    chosen = np.random.default_rng(_SEED).choice(len(pairs), len(_GROUNDS), replace=False)
    return tuple(pairs[i] for i in chosen)


def art(number: int) -> np.ndarray:
    """A drawing of `protected_art` on its ground, uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng((_SEED, number))
    return view(sprites()[protected_art()[number]], rng, scale=(0.5, 0.7), background=_GROUNDS[number]).image


def logo(name: str) -> np.ndarray:
    """A mark in one or two colours on white, with room around it, uint8 (SIDE, SIDE, 3).

    Args:
        name: A key of LOGOS.
    """
    side = SIDE * _OVERSAMPLING
    drawing = Image.new("RGB", (side, side), "white")
    LOGOS[name](ImageDraw.Draw(drawing), side)
    mark = drawing.resize((_MARK, _MARK), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (SIDE, SIDE), "white")
    canvas.paste(mark, ((SIDE - _MARK) // 2, (SIDE - _MARK) // 2))
    return np.asarray(canvas)


def _ring(pen: ImageDraw.ImageDraw, side: int) -> None:
    pen.ellipse(_box(side, 0.34), outline=(20, 60, 140), width=side // 9)
    pen.ellipse(_box(side, 0.09), fill=(220, 60, 40))


def _peak(pen: ImageDraw.ImageDraw, side: int) -> None:
    pen.polygon(_points(side, [(0.12, 0.8), (0.42, 0.2), (0.62, 0.8)]), fill=(16, 110, 90))
    pen.polygon(_points(side, [(0.5, 0.8), (0.7, 0.42), (0.9, 0.8)]), fill=(110, 190, 160))


def _bars(pen: ImageDraw.ImageDraw, side: int) -> None:
    for at, height in enumerate((0.3, 0.5, 0.7)):
        left = side * (0.2 + 0.22 * at)
        pen.rectangle((left, side * (0.85 - height), left + side * 0.15, side * 0.85), fill=(30, 30, 36))


def _petals(pen: ImageDraw.ImageDraw, side: int) -> None:
    for k in range(6):
        x, y = (0.5 + 0.22 * f(k * math.pi / 3) for f in (math.cos, math.sin))
        pen.ellipse([side * (x - 0.13), side * (y - 0.13), side * (x + 0.13), side * (y + 0.13)], fill=(150, 40, 130))


def _box(side: int, radius: float) -> list[float]:
    return [side * (0.5 - radius)] * 2 + [side * (0.5 + radius)] * 2


def _points(side: int, shares: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(side * x, side * y) for x, y in shares]


LOGOS: dict[str, Callable[[ImageDraw.ImageDraw, int], None]] = {
    "ring": _ring,
    "peak": _peak,
    "bars": _bars,
    "petals": _petals,
}
