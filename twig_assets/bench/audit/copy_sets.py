"""The corpora that the benchmark `detectors` measures on: flat art and photographs, each with plain works besides."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.bench.audit import photograph_files
from twig_assets.bench.audit.plain_pictures import plain_pictures
from twig_assets.model_zoo.art import families, sprites
from twig_assets.similarity.detectors.gradient_histograms import LENGTH, hog, hog_orientations

SEED = 7_300_023

# The style "glyph" is Fluent's drawing in black: of the same concept, a copy and no other work.
_STYLES = ("twemoji", "noto", "fluent")
# Noto's and Twemoji's Christmas tree is their evergreen tree with ornaments.
_SHARED = {"Christmas tree": "plants"}
_FEWEST_PHOTOGRAPHS = 100
_SAME = 0.6
_CORPUS_SHARE = 0.62
_PLAIN_WORKS, _PLAIN_STRANGERS = 2, 6


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
        plain_works: Plain pictures that are works too, but are not copied.
        plain_strangers: Plain pictures of the same kinds that show something else.
    """

    name: str
    references: list[np.ndarray]
    groups: list[str]
    strangers: list[np.ndarray]
    plain_works: list[np.ndarray] = field(default_factory=list)
    plain_strangers: list[np.ndarray] = field(default_factory=list)


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


def photographs(roots: tuple[Path, ...] | None = None) -> CopySet:
    """Photographs of Debian's packages and of scikit-image, 320 px on the long side; a group is a photograph.

    Of two that show the same, by their gradients in any orientation, the first is kept. What is missing on this machine
    is fetched into the cache.

    Args:
        roots: Where packages are unpacked; `/` and the cache when None.

    Raises:
        MissingPhotographsError: If there are fewer than 100.
    """
    found = photograph_files.photographs(roots or (Path("/"), photograph_files.cache()))
    why = ""
    if roots is None and len(found) < _FEWEST_PHOTOGRAPHS:
        try:
            photograph_files.fetch(photograph_files.cache())
        except OSError as error:
            why = f" ({error})"
        found = photograph_files.photographs((Path("/"), photograph_files.cache()))
    pictures: list[np.ndarray] = []
    groups: list[str] = []
    described = np.zeros((0, LENGTH), np.float32)
    for name, picture in found:
        own = hog_orientations(picture).astype(np.float32)
        if not own[0].any() or (described @ own.T > _SAME).any():
            continue
        pictures.append(picture)
        described = np.vstack([described, hog(picture).astype(np.float32)])
        groups.append(name)
    if len(pictures) < _FEWEST_PHOTOGRAPHS:
        raise MissingPhotographsError(
            f"only {len(pictures)} photographs on this machine, {_FEWEST_PHOTOGRAPHS} are needed{why}; on Debian: "
            f"apt-get install {' '.join(photograph_files.PACKAGES)}"
        )
    return _split("photographs", pictures, groups)


def _split(name: str, pictures: list[np.ndarray], groups: list[str]) -> CopySet:
    """Whole groups to the corpus until it has its share, the others to the strangers."""
    names = list(dict.fromkeys(groups))
    shuffled = [names[i] for i in np.random.default_rng(SEED).permutation(len(names))]
    inside: set[str] = set()
    while sum(group in inside for group in groups) < _CORPUS_SHARE * len(groups):
        inside.add(shuffled.pop())
    corpus = [i for i, group in enumerate(groups) if group in inside]
    strangers = [picture for picture, group in zip(pictures, groups, strict=True) if group not in inside]
    plain = plain_pictures(_PLAIN_WORKS + _PLAIN_STRANGERS, SEED).values()
    return CopySet(
        name,
        [pictures[i] for i in corpus],
        [groups[i] for i in corpus],
        strangers,
        [picture for of_kind in plain for picture in of_kind[:_PLAIN_WORKS]],
        [picture for of_kind in plain for picture in of_kind[_PLAIN_WORKS:]],
    )
