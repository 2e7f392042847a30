"""The two corpora that the benchmark `detectors` measures on: flat art and photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.model_zoo.art import families, sprites
from twig_assets.similarity.detectors.hog import hog

SEED = 7_300_023
PHOTOGRAPH_SIDE = 256
PACKAGES = (
    "gnome-backgrounds",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
    "ukui-wallpapers",
)
"""Debian packages whose JPEG files are photographs; their PNG and WebP files are drawn."""

FOLDERS = (Path("/usr/share/backgrounds"), Path("/usr/share/wallpapers"))
SCIKIT_IMAGE = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Photographs in scikit-image's wheel."""

# The style "glyph" is Fluent's drawing in black: of the same concept, a copy and no other work.
_STYLES = ("twemoji", "noto", "fluent")
# Noto's and Twemoji's Christmas tree is their evergreen tree with ornaments.
_SHARED = {"Christmas tree": "plants"}
_FEWEST_PHOTOGRAPHS = 50
_SAME = 0.6
_CORPUS_SHARE = 0.6


class MissingPhotographsError(RuntimeError):
    """There are too few photographs on this machine; the message says which packages to install."""


@dataclass(frozen=True, eq=False)
class CopySet:
    """A corpus, and pictures that have nothing to do with it.

    Attributes:
        name: `art` or `photographs`.
        references: uint8 pictures of shape (h, w, 3).
        groups: One name per reference; works of one group share parts and are no strangers to each other.
        strangers: Pictures of other groups.
    """

    name: str
    references: list[np.ndarray]
    groups: list[str]
    strangers: list[np.ndarray]


def art() -> CopySet:
    """Emoji of three designers, 64 px, on white. A group is a family of look-alikes, such as cats or horses."""
    pictures, groups = [], []
    for family, concepts in families().items():
        for concept in concepts:
            for style in _STYLES:
                drawing = sprites()[concept, style].convert("RGBA")
                paper = Image.new("RGBA", drawing.size, (255, 255, 255, 255))
                pictures.append(np.asarray(Image.alpha_composite(paper, drawing).convert("RGB")))
                groups.append(_SHARED.get(concept, family))
    return _split("art", pictures, groups)


def photographs(folders: Sequence[Path] = FOLDERS) -> CopySet:
    """Photographs of Debian's wallpapers and of scikit-image, 256 px on the long side; a group is a wallpaper.

    Of two that show the same, by their gradients, the first in order of path is kept.

    Raises:
        MissingPhotographsError: If there are fewer than 50.
    """
    import skimage

    paths = [path for folder in folders for path in sorted(folder.rglob("*.jpg")) if not path.is_symlink()]
    paths = [path for path in paths if path.name != "screenshot.jpg"]
    paths += [Path(skimage.__file__).parent / "data" / name for name in SCIKIT_IMAGE]
    pictures: list[np.ndarray] = []
    groups: list[str] = []
    described = np.zeros((0, hog(np.zeros((64, 64, 3), np.uint8)).size), np.float32)
    for path in paths:
        picture = _photograph(path)
        own = hog(picture).astype(np.float32)
        if not own.any() or (described @ own > _SAME).any():
            continue
        pictures.append(picture)
        described = np.vstack([described, own])
        groups.append(path.parents[2].name if "contents" in path.parts else path.stem)
    if len(pictures) < _FEWEST_PHOTOGRAPHS:
        raise MissingPhotographsError(
            f"only {len(pictures)} photographs in {', '.join(map(str, folders))} and scikit-image, "
            f"{_FEWEST_PHOTOGRAPHS} are needed; on Debian: apt-get install {' '.join(PACKAGES)}"
        )
    return _split("photographs", pictures, groups)


def _photograph(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * PHOTOGRAPH_SIDE, 2 * PHOTOGRAPH_SIDE))
        image = opened.convert("RGB")
    scale = PHOTOGRAPH_SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _split(name: str, pictures: list[np.ndarray], groups: list[str]) -> CopySet:
    """Whole groups to the corpus until it has its share, the others to the strangers."""
    names = list(dict.fromkeys(groups))
    shuffled = [names[i] for i in np.random.default_rng(SEED).permutation(len(names))]
    inside: set[str] = set()
    while sum(group in inside for group in groups) < _CORPUS_SHARE * len(groups):
        inside.add(shuffled.pop())
    corpus = [i for i, group in enumerate(groups) if group in inside]
    strangers = [picture for picture, group in zip(pictures, groups, strict=True) if group not in inside]
    return CopySet(name, [pictures[i] for i in corpus], [groups[i] for i in corpus], strangers)
