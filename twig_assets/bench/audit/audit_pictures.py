"""Pictures to measure `twig audit` on, 320 px: crops of scikit-image's photographs, and the zoo's drawings."""

from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.bench.audit.copy_sets import art
from twig_assets.bench.audit.photographs import crops, samples
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed

SIDE = 320
SEED = 320_000
_COPIES_EVERY = 6


def works(count: int) -> list[np.ndarray]:
    """Distinct works, photographs and drawings in turn as long as there are drawings: uint8 (SIDE, SIDE, 3)."""
    drawings = [_enlarged(picture) for picture in art().references]
    taken = samples()
    cut = list(crops(taken[: len(taken) // 2], count, SIDE, SEED))
    mixed = [picture for pair in zip(cut, drawings, strict=False) for picture in pair]
    return [*mixed, *cut[len(mixed) // 2 :]][:count]


def images(count: int, of: list[np.ndarray]) -> list[np.ndarray]:
    """Images to audit: of photographs and drawings that are no works, and every sixth a copy of a work.

    Args:
        count: How many.
        of: The works.
    """
    rng = np.random.default_rng(SEED)
    taken = samples()
    photographs = crops(taken[len(taken) // 2 :], count, SIDE, SEED + 1)
    strangers = [_enlarged(picture) for picture in art().strangers]
    made = []
    for i in range(count):
        if i % _COPIES_EVERY == _COPIES_EVERY - 1:
            name = TRANSFORMS[i // _COPIES_EVERY % len(TRANSFORMS)]
            copy = transformed(of[int(rng.integers(len(of)))], name, rng, photographs[i])
            made.append(_enlarged(copy))
        else:
            made.append(photographs[i] if i % 2 else strangers[i % len(strangers)])
    return made


def write(folder: Path, pictures: list[np.ndarray]) -> Path:
    """Write pictures as PNG files, in order of name."""
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i:05}.png")
    return folder


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
