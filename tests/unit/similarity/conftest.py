"""Pictures to compare."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import sprites
from twig_assets.similarity import ReferenceImage

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "grass", "rocket", "hubble_deep_field")
CONCEPTS = ("giraffe", "frog", "snail", "castle", "crown", "alarm clock", "racing car", "poodle")


@pytest.fixture(scope="session")
def works() -> np.ndarray:
    """The eight planted works: uint8 (8, 64, 64, 3)."""
    return np.stack([planted.picture(work) for work in planted.WORKS])


@pytest.fixture(scope="session")
def corpus(works: np.ndarray) -> list[ReferenceImage]:
    """The eight planted works as references."""
    return [
        ReferenceImage(Path(f"{work.slug}.png"), work.title, "nobody", "none", f"{i:064d}", picture)
        for i, (work, picture) in enumerate(zip(planted.WORKS, works, strict=True))
    ]


@pytest.fixture(scope="session")
def art() -> list[np.ndarray]:
    """Drawings of unlike things on white: uint8 (64, 64, 3)."""
    found = []
    for name in CONCEPTS:
        drawing = sprites()[name, "noto"].convert("RGBA")
        paper = Image.new("RGBA", drawing.size, (255, 255, 255, 255))
        found.append(np.asarray(Image.alpha_composite(paper, drawing).convert("RGB")))
    return found


@pytest.fixture(scope="session")
def photographs() -> list[np.ndarray]:
    """Photographs that come with scikit-image: uint8 (h, w, 3), 256 px on the long side."""
    found = []
    for name in PHOTOGRAPHS:
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        image.thumbnail((256, 256), Image.Resampling.LANCZOS)
        found.append(np.asarray(image))
    return found
