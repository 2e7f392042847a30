"""Photographs to measure on: scikit-image's sample images, and the wallpapers of Debian packages where installed."""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

WALLPAPERS = (Path("/usr/share/backgrounds"), Path("/usr/share/wallpapers"))
SHORT_SIDE = 768
_SAMPLES = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
_LEAST_DETAIL = 1.5


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph that may be measured on.

    Attributes:
        name: Its file.
        pixels: uint8 array of shape (h, w, 3); the short side is at most SHORT_SIDE.
    """

    name: str
    pixels: np.ndarray


def photographs(most: int = 200) -> list[Photograph]:
    """The photographs of this machine, in order of name; only those that scikit-image ships with are everywhere.

    Of wallpapers only JPEG files are taken, for the others are mostly drawings; of one that comes in several shapes
    only the largest; and none that is blurred or plain all over.

    Args:
        most: How many at most.
    """
    return _kept([*_sample_files(), *sorted(path for root in WALLPAPERS for path in _wallpapers(root))])[:most]


def samples() -> list[Photograph]:
    """The photographs that scikit-image ships with, which are the same everywhere."""
    return _kept(_sample_files())


def _sample_files() -> list[Path]:
    folder = Path(skimage.__file__).parent / "data"
    return [folder / name for name in _SAMPLES if (folder / name).is_file()]


def _kept(paths: list[Path]) -> list[Photograph]:
    kept = []
    for path in paths:
        pixels = _read(path)
        if pixels is not None and np.abs(np.diff(pixels.astype(np.float32), axis=0)).mean() >= _LEAST_DETAIL:
            kept.append(Photograph(str(path), pixels))
    return kept


def crops(taken: list[Photograph], count: int, side: int, seed: int) -> np.ndarray:
    """Square crops at random places and scales, photograph after photograph.

    Args:
        taken: Where to crop.
        count: How many crops.
        side: Of the crops, in pixels; each shows between half and all of a photograph's short side.
        seed: Of the places and scales.

    Returns:
        uint8 array of shape (count, side, side, 3).
    """
    rng = np.random.default_rng(seed)
    return np.stack([_crop(taken[i % len(taken)].pixels, side, rng) for i in range(count)])


def _crop(pixels: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = int(rng.uniform(0.5, 1) * min(height, width))
    top, left = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
    cut = Image.fromarray(pixels[top : top + size, left : left + size])
    return np.asarray(cut.resize((side, side), Image.Resampling.LANCZOS))


def _wallpapers(root: Path) -> list[Path]:
    paths = [path for path in root.rglob("*.jpg") if path.is_file() and not path.is_symlink()]
    paths = [path for path in paths if path.stem != "screenshot" and not re.search(r"_\d+x\d+$", path.stem)]
    shapes: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        shapes[path.parents[1] if path.parent.name.startswith("images") else path].append(path)
    return [max(group, key=lambda path: path.stat().st_size) for group in shapes.values()]


def _read(path: Path) -> np.ndarray | None:
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (SHORT_SIDE, SHORT_SIDE))
            image = opened.convert("RGB")
    except (OSError, ValueError) as error:
        print(f"{path}: left out, cannot be read ({error})", file=sys.stderr)
        return None
    scale = min(1.0, SHORT_SIDE / min(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
