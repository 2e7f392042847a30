from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.pdq import Pdq
from twig_assets.similarity.index.build import build_index, works_in

SOURCES = [Hog(), Pdq()]


def drawing(seed: int, side: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), tuple(rng.integers(180, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = rng.integers(0, side, 2).tolist()
        size = int(rng.integers(8, side // 2))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + size, y + size // 2), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return np.asarray(image)


def save_drawings(folder: Path, seeds: range) -> Path:
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        Image.fromarray(drawing(seed)).save(folder / f"work-{seed:02d}.png")
    return folder


def seen(_done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_drawings(tmp_path_factory.mktemp("works"), range(6))


@pytest.fixture
def index(works: Path, tmp_path: Path) -> Path:
    build_index(tmp_path / "index", works_in([works]), SOURCES, seen)
    return tmp_path / "index"
